/* Tables of descriptors: what a forked child keeps of them, and what becomes of a number that the
 * host has closed behind the library's back. */
#include "base/descriptors.h"

#include "base/io.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int exit_status(pid_t pid)
{
    int status = -1;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- Handlers of forks ----------------------------------------------------------------------- */

#ifdef WRAPS_ATFORK
static int registrations;

int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/* There is no memory for the first two. */
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return ++registrations <= 2 ? ENOMEM : __real_pthread_atfork(prepare, parent, child);
}

/* The first is registered before main. */
static void handlers_of_forks_are_registered_once_when_there_is_memory(void **state)
{
    struct fc_fds fds;
    (void)state;
    assert_int_equal(registrations, 1);
    assert_int_equal(fc_fds_open(&fds), -ENOMEM);
    assert_false(fds.listed);
    fc_fds_close_all(&fds); /* does nothing */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fc_fds_open(&fds), 0);
        assert_int_equal(registrations, 3);
        fc_fds_close_all(&fds);
    }
}
#endif

#define WAIT_NS 10000000U /* IN_LISTS_NS of base/descriptors.c */

/* One of many forks: on a busy machine each may take long. */
static bool forks_without_waiting(void)
{
    const uint64_t until_ns = fc_now_ns() + (unsigned)DEADLINE_S * UINT64_C(500000000);
    uint64_t took_ns;
    do {
        const uint64_t start_ns = fc_now_ns();
        const pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        took_ns = fc_now_ns() - start_ns;
        waitpid(pid, NULL, 0);
    } while (took_ns >= WAIT_NS && fc_now_ns() < until_ns);
    return took_ns < WAIT_NS;
}

/* A fork waits for a thread that is in the lists of the C library, though not for ever. Its child
 * does not wait any more: that thread is not there. */
static int fork_from_the_lists(void *unused)
{
    const uint64_t start_ns = fc_now_ns();
    int status = -1;
    (void)unused;
    fc_fds_fork_lock();
    fc_fds_enter_lists();
    const pid_t pid = fork();
    if (pid == 0) {
        fc_fds_fork_lock();
        fc_fds_fork_unlock();
        _exit(forks_without_waiting() ? 0 : 1);
    }
    CHECK(pid > 0 && fc_now_ns() - start_ns >= WAIT_NS);
    fc_fds_leave_lists();
    fc_fds_fork_unlock();
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(forks_without_waiting());
    return 0;
}

static void child_does_not_wait_for_the_lists_of_its_parent(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_from_the_lists, NULL), 0);
}

/* ---- What a child keeps ---------------------------------------------------------------------- */

static void open_tables(struct fc_fds tables[2])
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fc_fds_open(&tables[i]), 0);
        assert_int_equal(fc_fds_pipe(&tables[i], FC_FD_REPLY, FC_FD_CHILD_REPLY), 0);
    }
}

static void close_tables(struct fc_fds tables[2])
{
    for (int i = 0; i < 2; i++)
        fc_fds_close_all(&tables[i]);
}

static void child_of_the_host_keeps_nothing(void **state)
{
    struct fc_fds tables[2];
    (void)state;
    open_tables(tables);
    const unsigned generation = fc_fds_generation();
    const int fds[] = {tables[0].fd[FC_FD_REPLY], tables[0].fd[FC_FD_CHILD_REPLY], tables[1].fd[FC_FD_REPLY],
                       tables[1].fd[FC_FD_CHILD_REPLY]};
    const pid_t pid = fork();
    if (pid == 0) {
        int kept = fc_fds_generation() == generation ? 10 : 0;
        for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
            kept += is_open(fds[i]);
        _exit(kept);
    }
    assert_int_equal(exit_status(pid), 0);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        assert_true(is_open(fds[i]));
    assert_int_equal(fc_fds_generation(), generation);
    close_tables(tables);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        assert_false(is_open(fds[i]));
}

/* In the child of a call, which has these numbers for its own files, its child has them, too. */
static bool has_own_files(const int numbers[3], int childs)
{
    int status = -1;
    for (int i = 0; i < 3; i++)
        if (is_open(numbers[i]) || dup2(STDERR_FILENO, numbers[i]) < 0)
            return false;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(is_open(numbers[0]) && is_open(numbers[1]) && is_open(numbers[2]) && !is_open(childs) ? 0 : 1);
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static void child_of_a_call_keeps_its_own_ends(void **state)
{
    struct fc_fds tables[2];
    (void)state;
    for (int own = 0; own < 2; own++) {
        open_tables(tables);
        const struct fc_fds *other = &tables[1 - own];
        const int closed[] = {tables[own].fd[FC_FD_REPLY], other->fd[FC_FD_REPLY], other->fd[FC_FD_CHILD_REPLY]};
        const int childs = tables[own].fd[FC_FD_CHILD_REPLY];
        const pid_t pid = fc_fds_fork(&tables[own]);
        if (pid == 0)
            _exit(is_open(childs) && fc_fds_child_has(childs) && has_own_files(closed, childs) ? 0 : 1);
        assert_int_equal(exit_status(pid), 0);
        /* And the next fork is the host's again. */
        const pid_t hosts = fork();
        if (hosts == 0)
            _exit(is_open(childs));
        assert_int_equal(exit_status(hosts), 0);
        close_tables(tables);
    }
}

/* The child's own table, wherever it stood in the list of the host. */
static void numbers_of_a_table_that_a_child_of_a_call_has_closed_are_the_childs(void **state)
{
    (void)state;
    for (int own = 0; own < 2; own++) {
        struct fc_fds tables[2];
        open_tables(tables);
        struct fc_fds *mine = &tables[own];
        const int childs = mine->fd[FC_FD_CHILD_REPLY];
        const pid_t pid = fc_fds_fork(mine);
        if (pid == 0) {
            int status = -1;
            fc_fds_close_all(mine);
            /* What is left in the memory of the table. */
            mine->fd[FC_FD_REPLY] = childs;
            if (is_open(childs) || dup2(STDERR_FILENO, childs) < 0)
                _exit(2);
            const pid_t grandchild = fork();
            if (grandchild == 0)
                _exit(is_open(childs) ? 0 : 1);
            _exit(waitpid(grandchild, &status, 0) == grandchild && status == 0 ? 0 : 3);
        }
        assert_int_equal(exit_status(pid), 0);
        close_tables(tables);
    }
}

/* Whichever of them is closed first. */
static void numbers_of_closed_tables_are_the_hosts(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct fc_fds tables[2];
        open_tables(tables);
        const int numbers[] = {tables[first].fd[FC_FD_REPLY], tables[1 - first].fd[FC_FD_REPLY]};
        for (int i = 0; i < 2; i++) {
            struct fc_fds *closed = &tables[i == 0 ? first : 1 - first];
            fc_fds_close_all(closed);
            /* What is left in the memory of a table. */
            closed->fd[FC_FD_REPLY] = numbers[i];
            assert_int_equal(dup2(STDERR_FILENO, numbers[i]), numbers[i]);
            const pid_t pid = fork();
            if (pid == 0)
                _exit(is_open(numbers[i]) ? 0 : 1);
            assert_int_equal(exit_status(pid), 0);
        }
        for (int i = 0; i < 2; i++) {
            fc_fds_close_all(&tables[i]); /* does nothing */
            assert_true(is_open(numbers[i]));
            close(numbers[i]);
        }
    }
}

/* ---- Numbers that the host has closed -------------------------------------------------------- */

static void number_that_stands_for_another_is_left_to_the_host(void **state)
{
    (void)state;
    for (int looks = 0; looks < 2; looks++) {
        struct fc_fds fds;
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        assert_int_equal(fc_fds_open(&fds), 0);
        assert_int_equal(fc_fds_pipe(&fds, FC_FD_REPLY, FC_FD_CHILD_REPLY), 0);
        fc_fds_remember(&fds, 0, FC_FD_COUNT);
        const int number = fds.fd[FC_FD_REPLY];
        assert_false(fc_fds_look(&fds)); /* fresh */
        fc_fds_expire(&fds);
        assert_false(fc_fds_look(&fds)); /* nothing was lost */
        assert_true(fc_fds_has(&fds, FC_FD_REPLY));
        assert_false(fc_fds_has(&fds, FC_FD_GO));
        assert_int_equal(dup2(pipes[0], number), number);
        fc_fds_expire(&fds);
        assert_false(fc_fds_has(&fds, FC_FD_REPLY));
        const pid_t pid = fork();
        if (pid == 0)
            _exit(is_open(number) && !is_open(fds.fd[FC_FD_CHILD_REPLY]) ? 0 : 1);
        assert_int_equal(exit_status(pid), 0);
        if (looks) {
            assert_true(fc_fds_look(&fds));
            assert_int_equal(fds.fd[FC_FD_REPLY], -1);
            assert_true(fds.fd[FC_FD_CHILD_REPLY] > STDERR_FILENO);
        } else {
            fc_fds_close(&fds, FC_FD_REPLY);
        }
        fc_fds_close_all(&fds);
        assert_true(is_open(number));
        close(number);
        close(pipes[0]);
        close(pipes[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef WRAPS_ATFORK
        cmocka_unit_test(handlers_of_forks_are_registered_once_when_there_is_memory),
#endif
        cmocka_unit_test(child_does_not_wait_for_the_lists_of_its_parent),
        cmocka_unit_test(child_of_the_host_keeps_nothing),
        cmocka_unit_test(child_of_a_call_keeps_its_own_ends),
        cmocka_unit_test(numbers_of_a_table_that_a_child_of_a_call_has_closed_are_the_childs),
        cmocka_unit_test(numbers_of_closed_tables_are_the_hosts),
        cmocka_unit_test(number_that_stands_for_another_is_left_to_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
