/* Tests forkcall_map() in difficult hosts: with few descriptors or processes, with threads, and
 * with signals. */
#include "map_methods.h"

#include "os/cpu_quota.h"
#include "os/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

static struct forkcall_map_options options_of(enum forkcall_method method, size_t processes)
{
    return (struct forkcall_map_options){
        .call = {.method = method, .timeout_ms = DEADLINE_S * 1000, .allow_unsafe_fork = under_sanitizer()},
        .processes = processes};
}

/* ---- How many at once ------------------------------------------------------------------------ */

/* Counts the children that run. It lies in a file that all children have open, and is changed under
 * a lock of the whole file. */
struct board {
    int now, most;
};

struct guest {
    int fd;
    int wait_for; /* The child stays until this many run at once. */
};

static bool change_board(int fd, int by, struct board *board)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    while (fcntl(fd, F_SETLKW, &lock) < 0)
        if (errno != EINTR)
            return false;
    bool ok = pread(fd, board, sizeof *board, 0) == (ssize_t)sizeof *board;
    board->now += by;
    board->most = board->now > board->most ? board->now : board->most;
    ok = ok && pwrite(fd, board, sizeof *board, 0) == (ssize_t)sizeof *board;
    lock.l_type = F_UNLCK;
    return fcntl(fd, F_SETLK, &lock) == 0 && ok;
}

static bool enough_were_there(void *context)
{
    const struct guest *guest = context;
    struct board board;
    return !change_board(guest->fd, 0, &board) || board.most >= guest->wait_for;
}

static bool too_many_were_there(void *context)
{
    const struct guest *guest = context;
    struct board board;
    return !change_board(guest->fd, 0, &board) || board.most > guest->wait_for;
}

static int child_signs_the_board(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct guest guest = *(const struct guest *)args;
    struct board board;
    (void)args_size;
    (void)result;
    if (!change_board(guest.fd, 1, &board) || !wait_until(enough_were_there, &guest))
        return 1;
    /* Waits a little, so that a child too many would be seen. */
    for (int i = 0; i < 20 && !too_many_were_there(&guest); i++)
        usleep(1000);
    return change_board(guest.fd, -1, &board) ? 0 : 1;
}

static int open_board(void)
{
    const struct board empty = {0, 0};
    char path[] = "/tmp/forkcall-test-XXXXXX";
    const int fd = mkstemp(path);
    if (fd >= 0 && (unlink(path) < 0 || pwrite(fd, &empty, sizeof empty, 0) != (ssize_t)sizeof empty)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The largest number of children that ran at once, when each of count items waits until wait_for
 * run. -1: the map has failed. */
static int most_at_once(enum forkcall_method method, size_t processes, int count, int wait_for)
{
    struct guest guests[16];
    struct board board = {0, -1};
    struct forkcall_map_options options = options_of(method, processes);
    const int fd = open_board();
    options.call.keep_fds = &fd;
    options.call.keep_fds_count = 1;
    for (int i = 0; i < count; i++)
        guests[i] = (struct guest){fd, wait_for};
    const struct forkcall_report report =
        forkcall_map(child_signs_the_board, guests, sizeof *guests, (size_t)count, NULL, NULL, &options);
    if (report.status != FORKCALL_OK || !change_board(fd, 0, &board) || board.now != 0)
        board.most = -1;
    close(fd);
    return board.most;
}

static void as_many_at_once_as_asked_and_no_more(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        const struct traces before = traces_now();
        assert_int_equal(most_at_once(methods[m], 1, 4, 1), 1);
        if (methods[m] == FORKCALL_INLINE)
            continue;
        assert_int_equal(most_at_once(methods[m], 2, 6, 2), 2);
        assert_int_equal(most_at_once(methods[m], 5, 15, 5), 5);
        assert_int_equal(most_at_once(methods[m], 65536, 9, 9), 9);
        assert_no_traces(before, false);
    }
}

#ifdef CPU_SET
static int host_with_one_processor(void *unused)
{
    cpu_set_t allowed;
    cpu_set_t one;
    (void)unused;
    CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    const size_t count = (size_t)CPU_COUNT(&allowed);
    const size_t paid = fc_cpu_quota("");
    CHECK(fc_cpus_count() == (paid > 0 && paid < count ? paid : count));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &allowed))
            CPU_SET(i, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(fc_cpus_count() == 1);
    CHECK(most_at_once(FORKCALL_FORK, 0, 4, 1) == 1);
    return 0;
}

static void default_is_the_processors_allowed(void **state)
{
    (void)state;
#ifdef TEST_PORTABLE
    SKIP("the portable build asks for the processors that are online");
#endif
    if (sysconf(_SC_NPROCESSORS_CONF) > CPU_SETSIZE)
        SKIP("more processors than this test has a set for");
    assert_int_equal(host_run(host_with_one_processor, NULL), 0);
}
#endif

static void hundreds_of_items_leave_nothing_behind(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        const struct forkcall_map_options options = options_of(methods[m], 8);
        const size_t count = under_valgrind() ? 40 : 400;
        struct forkcall_report report = forkcall_map(child_returns_0, NULL, 0, count, NULL, NULL, &options);
        assert_status(report, FORKCALL_OK);
        const struct traces before = traces_now();
        report = forkcall_map(child_returns_0, NULL, 0, count, NULL, NULL, &options);
        assert_status(report, FORKCALL_OK);
        assert_no_traces(before, !under_sanitizer() && !under_valgrind() && !has_musl());
    }
}

/* ---- Few descriptors, few processes ---------------------------------------------------------- */

#define ITEMS 12

static struct forkcall_report run_items(enum forkcall_method method, size_t processes, struct forkcall_report *reports)
{
    const struct forkcall_map_options options = options_of(method, processes);
    return forkcall_map(child_answers_42, NULL, 0, ITEMS, NULL, reports, &options);
}

static bool only_for_want_of_descriptors(const struct forkcall_report *reports)
{
    for (int i = 0; i < ITEMS; i++)
        if (reports[i].status != FORKCALL_OK && (reports[i].status != FORKCALL_NOT_STARTED ||
                                                 reports[i].code != EMFILE || reports[i].ran != FORKCALL_RAN_NO))
            return false;
    return true;
}

/* If the descriptors suffice for at least one call, items wait for each other and all are run. If
 * they do not, the items fail. */
static int host_with_few_descriptors(void *context)
{
    const enum forkcall_method *method = context;
    struct forkcall_report one[ITEMS];
    struct forkcall_report many[ITEMS];
    int tight = 0;
    int starved = 0;
    const int lowest = dup(0); /* the lowest free number */
    CHECK(lowest >= 0 && close(lowest) == 0);
    for (int room = 0; room < 40; room++) {
        const struct rlimit limit = {(rlim_t)(lowest + room), (rlim_t)1024};
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        const struct forkcall_report alone = run_items(*method, 1, one);
        const struct forkcall_report together = run_items(*method, 6, many);
        CHECK(only_for_want_of_descriptors(one) && only_for_want_of_descriptors(many));
        CHECK(alone.status != FORKCALL_OK || together.status == FORKCALL_OK);
        tight += alone.status == FORKCALL_OK;
        starved +=
            together.status == FORKCALL_NOT_STARTED && together.code == EMFILE && together.ran == FORKCALL_RAN_NO;
    }
    CHECK(tight > 10 && starved > 0);
    const int after = dup(0);
    CHECK(after == lowest); /* The map has kept no descriptor open. */
    return 0;
}

static void room_for_fewer_descriptors_than_processes(void **state)
{
    (void)state;
    if (under_valgrind())
        SKIP("valgrind keeps descriptors of its own under the limit");
    enum forkcall_method method =
        FORKCALL_FORK; /* By other methods children need descriptors for exec under the limit. */
    assert_int_equal(host_run(host_with_few_descriptors, &method), 0);
}

static int host_with_few_processes(void *unused)
{
    const struct rlimit limit = {3, 3};
    const unsigned user = lonely_user();
    struct forkcall_report reports[ITEMS];
    (void)unused;
    CHECK(setgid(user) == 0 && setuid(user) == 0);
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
    const struct forkcall_report report = run_items(FORKCALL_FORK, 8, reports);
    for (int i = 0; i < ITEMS; i++)
        CHECK(reports[i].status == FORKCALL_OK);
    CHECK(report.status == FORKCALL_OK);
    const struct rlimit none = {1, 1};
    CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
    const struct forkcall_report starved = run_items(FORKCALL_FORK, 8, reports);
    CHECK(starved.status == FORKCALL_NOT_STARTED && starved.code == EAGAIN && starved.ran == FORKCALL_RAN_NO);
    return 0;
}

static void room_for_fewer_children_than_processes(void **state)
{
    (void)state;
    if (geteuid() != 0)
        SKIP("only root can become a user that has no other processes");
    if (under_emulator() || under_sanitizer() || under_valgrind())
        SKIP("the limit on processes is not kept here, or another user's process not left alone");
    assert_int_equal(host_run(host_with_few_processes, NULL), 0);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void *map_in_a_thread(void *failed)
{
    int items[10];
    int answers[10] = {0};
    struct forkcall_buf results[10];
    for (int round = 0; round < 3 * (int)method_count; round++) {
        struct forkcall_map_options options = options_of(methods[(size_t)round % method_count], 3);
        options.call.allow_unsafe_fork = true;
        for (int i = 0; i < 10; i++) {
            items[i] = round * 100 + i;
            results[i] = forkcall_buf_fixed(&answers[i], sizeof answers[i]);
        }
        const struct forkcall_report report =
            forkcall_map(child_echoes, items, sizeof *items, 10, results, NULL, &options);
        if (report.status != FORKCALL_OK || memcmp(items, answers, sizeof items) != 0)
            atomic_store((atomic_bool *)failed, true);
    }
    return NULL;
}

static void several_threads_at_once(void **state)
{
    (void)state;
    atomic_bool failed = false;
    pthread_t threads[4];
    const struct traces before = traces_now();
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, map_in_a_thread, &failed), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_false(failed);
    assert_no_traces(before, false);
}

static void *map_that_is_not_safe(void *unused)
{
    struct forkcall_map_options options = options_of(FORKCALL_FORK, 2);
    struct forkcall_report reports[5];
    (void)unused;
    memset(reports, 0, sizeof reports);
    options.call.allow_unsafe_fork = false;
    const struct forkcall_report report = forkcall_map(child_returns_0, NULL, 0, 5, NULL, reports, &options);
    bool refused = report.status == FORKCALL_UNSAFE && report.ran == FORKCALL_RAN_NO &&
                   (report.hazards & FORKCALL_HAZARD_THREADS) != 0 && strstr(report.message, "(item 0)") != NULL;
    for (int i = 0; i < 5; i++)
        refused = refused && reports[i].status == FORKCALL_UNSAFE && reports[i].ran == FORKCALL_RAN_NO;
    return refused ? (void *)&"refused" : NULL;
}

static void fork_in_a_threaded_process(void **state)
{
    (void)state;
    pthread_t thread;
    void *refused = NULL;
    assert_int_equal(pthread_create(&thread, NULL, map_that_is_not_safe, NULL), 0);
    pthread_join(thread, &refused);
    assert_non_null(refused);
}

static int cancel_this_thread(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    (void)user;
    (void)index;
    (void)report;
    (void)count;
    if (done == 1)
        pthread_cancel(pthread_self());
    return 0;
}

static void *map_in_a_canceled_thread(void *ended)
{
    struct forkcall_map_options options = options_of(FORKCALL_FORK, 2);
    options.call.allow_unsafe_fork = true;
    options.item_done = cancel_this_thread;
    int state = PTHREAD_CANCEL_DISABLE;
    const struct forkcall_report report = forkcall_map(child_returns_0, NULL, 0, 8, NULL, NULL, &options);
    /* The callback has canceled this thread, which must end regularly from here on. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    *(enum forkcall_status *)ended = report.status;
    return state == PTHREAD_CANCEL_ENABLE ? ended : NULL;
}

static void thread_that_is_canceled_in_the_middle(void **state)
{
    (void)state;
    enum forkcall_status ended = FORKCALL_LOST;
    pthread_t thread;
    void *value = NULL;
    const struct traces before = traces_now();
    assert_int_equal(pthread_create(&thread, NULL, map_in_a_canceled_thread, &ended), 0);
    pthread_join(thread, &value);
    assert_ptr_equal(value, &ended);
    assert_int_equal(ended, FORKCALL_OK);
    assert_no_traces(before, false);
}

/* ---- Signals --------------------------------------------------------------------------------- */

static void count_signal(int signal)
{
    (void)signal;
}

static int host_under_signals(void *unused)
{
    const struct itimerval often = {{0, 500}, {0, 500}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    struct sigaction action;
    struct forkcall_report reports[ITEMS];
    (void)unused;
    memset(&action, 0, sizeof action);
    action.sa_handler = count_signal; /* SA_RESTART is not set, so system calls end with EINTR. */
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (size_t m = 0; m < method_count; m++)
        for (int round = 0; round < 5; round++)
            CHECK(run_items(methods[m], 4, reports).status == FORKCALL_OK);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    return 0;
}

static void storm_of_signals(void **state)
{
    (void)state;
    if (under_valgrind() || under_emulator())
        SKIP("so many signals leave no time for anything else here");
    assert_int_equal(host_run(host_under_signals, NULL), 0);
}

static int host_that_ignores_SIGCHLD(void *unused)
{
    struct forkcall_report reports[ITEMS];
    (void)unused;
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    for (size_t m = 0; m < method_count; m++)
        CHECK(run_items(methods[m], 4, reports).status == FORKCALL_OK);
    return 0;
}

static void SIGCHLD_is_ignored(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_that_ignores_SIGCHLD, NULL), 0);
}

int main(void)
{
    find_methods();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_at_once_as_asked_and_no_more),
#ifdef CPU_SET
        cmocka_unit_test(default_is_the_processors_allowed),
#endif
        cmocka_unit_test(hundreds_of_items_leave_nothing_behind),
        cmocka_unit_test(room_for_fewer_descriptors_than_processes),
        cmocka_unit_test(room_for_fewer_children_than_processes),
        cmocka_unit_test(several_threads_at_once),
        cmocka_unit_test(fork_in_a_threaded_process),
        cmocka_unit_test(thread_that_is_canceled_in_the_middle),
        cmocka_unit_test(storm_of_signals),
        cmocka_unit_test(SIGCHLD_is_ignored),
    };
    return cmocka_run_group_tests_name("map_host", tests, NULL, stop_server);
}
