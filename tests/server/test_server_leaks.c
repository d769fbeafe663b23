/* Tests other threads of the host that fork, exec and call at the very moment when the library has
 * something open. The program interposes functions of the C library to hold the library at that
 * moment. */
#include "servers.h"

#include "base/fd_message.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a thread is held. Other threads have normally done their part by then; if they have
 * not, the test proves less. */
#define HOLD_MS 300

static void hold_until(atomic_bool *done)
{
    for (int i = 0; i < HOLD_MS && !atomic_load(done); i++)
        poll(NULL, 0, 1);
}

/* ---- Exec ------------------------------------------------------------------------------------ */

static atomic_int pairs, inheritable_pairs;

int socketpair(int domain, int type, int protocol, int fds[2])
{
    atomic_fetch_add(&pairs, 1);
    if ((type & SOCK_CLOEXEC) == 0)
        atomic_fetch_add(&inheritable_pairs, 1);
    return (int)syscall(SYS_socketpair, domain, type, protocol, fds);
}

/* If another thread starts a program between the call that opens a socket and the call that makes
 * it close-on-exec, the program inherits the socket. Sockets must be opened close-on-exec. */
static int open_sockets(void *context)
{
    const int kept = dup(STDERR_FILENO);
    (void)context;
    CHECK(server_pid() > 0);
    for (int i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = i == 0 ? FORKCALL_SERVER : FORKCALL_SPAWN,
                                                 .timeout_ms = PLENTY_MS,
                                                 .keep_fds = &kept,
                                                 .keep_fds_count = 1};
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    }
    CHECK(atomic_load(&pairs) > 2);
    CHECK(atomic_load(&inheritable_pairs) == 0);
    return 0;
}

static void sockets_are_never_inheritable(void **state)
{
    (void)state;
    assert_int_equal(host_run(open_sockets, NULL), 0);
}

/* ---- Fork ------------------------------------------------------------------------------------ */

#define LARGE ((size_t)1 << 20)

static atomic_bool file_is_open, has_forked;

int memfd_create(const char *name, unsigned flags)
{
    const int fd = (int)syscall(SYS_memfd_create, name, flags);
    if (strcmp(name, "forkcall-args") == 0) {
        atomic_store(&file_is_open, true);
        hold_until(&has_forked);
    }
    return fd;
}

static bool has_file(void)
{
    for (int fd = 3; fd < 64; fd++) {
        char path[64], link[256];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const ssize_t n = readlink(path, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        if (strstr(link, "forkcall-args") != NULL)
            return true;
    }
    return false;
}

static void *fork_in_the_middle(void *result)
{
    int *status = result;
    while (!atomic_load(&file_is_open))
        poll(NULL, 0, 1);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(has_file() ? 1 : 0);
    atomic_store(&has_forked, true);
    waitpid(pid, status, 0);
    return NULL;
}

static int pass_large_args(void *context)
{
    static const enum forkcall_method methods[] = {FORKCALL_SERVER, FORKCALL_SPAWN};
    static char args[LARGE];
    (void)context;
    CHECK(server_pid() > 0);
    for (size_t i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = methods[i], .timeout_ms = PLENTY_MS};
        pthread_t thread;
        int status = -1;
        atomic_store(&file_is_open, false);
        atomic_store(&has_forked, false);
        CHECK(pthread_create(&thread, NULL, fork_in_the_middle, &status) == 0);
        const struct forkcall_report report = forkcall_run(child_returns_0, args, LARGE, NULL, &options);
        const bool used_file = atomic_exchange(&file_is_open, true);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
        if (!used_file)
            return NOT_HERE;
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return 0;
}

static void fork_while_large_arguments_are_passed(void **state)
{
    (void)state;
    const int status = host_run(pass_large_args, NULL);
    if (status == NOT_HERE)
        SKIP("they are passed in another way here");
    assert_int_equal(status, 0);
}

/* ---- Two starters ---------------------------------------------------------------------------- */

/* This thread is held after this number of unlocks; 0: it is not held. */
static _Thread_local int unlocks_left;
static atomic_bool is_held, other_is_done;

#ifndef SANITIZED /* the sanitizer interposes the same function */
static int (*real_unlock)(pthread_mutex_t *);

__attribute__((constructor)) static void find_unlock(void)
{
    *(void **)&real_unlock = dlsym(RTLD_NEXT, "pthread_mutex_unlock");
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (real_unlock == NULL)
        find_unlock();
    const int r = real_unlock(mutex);
    if (unlocks_left > 0 && --unlocks_left == 0) {
        atomic_store(&is_held, true);
        hold_until(&other_is_done);
    }
    return r;
}
#endif

struct starter {
    int held_after;
    bool good;
};

static void *call_held(void *context)
{
    struct starter *starter = context;
    int answer = 0;
    unlocks_left = starter->held_after;
    starter->good = ask(FORKCALL_SERVER, child_answers_42, NULL, 0, &answer, sizeof answer) && answer == 42;
    unlocks_left = 0;
    atomic_store(&is_held, true);
    return NULL;
}

/* Holds one thread at each moment of its call in turn, while another thread starts the server. */
static int start_twice(void *context)
{
    (void)context;
    CHECK(server_pid() > 0 && forkcall_server_stop() == 0);
    const struct traces before = traces_now();
    for (int i = 1; i <= 16; i++) {
        struct starter starter = {.held_after = i};
        pthread_t thread;
        atomic_store(&is_held, false);
        atomic_store(&other_is_done, false);
        CHECK(pthread_create(&thread, NULL, call_held, &starter) == 0);
        while (!atomic_load(&is_held))
            poll(NULL, 0, 1);
        CHECK(server_pid() > 0);
        atomic_store(&other_is_done, true);
        CHECK(pthread_join(thread, NULL) == 0 && starter.good);
        CHECK(forkcall_server_stop() == 0);
        if (traces_now().descriptors != before.descriptors) {
            fprintf(stderr, "held after %d unlocks: %d descriptors, not %d\n", i, traces_now().descriptors,
                    before.descriptors);
            return 1;
        }
    }
    return 0;
}

static void two_threads_that_start_a_server(void **state)
{
    (void)state;
    if (under_sanitizer() || under_valgrind())
        SKIP("the tool interposes the same functions");
    assert_int_equal(host_run(start_twice, NULL), 0);
}

/* Sends messages as a process would that is no server of this version. */
static void message_that_is_refused_leaves_no_descriptor(void **state)
{
    static const struct {
        size_t size, fds, wanted_size, max;
    } messages[] = {{8, 2, 16, 2}, {8, 3, 8, 2}, {8, 1, 8, 0}, {1, 3, 8, 3}};
    const char bytes[16] = "";
    const int sent[] = {0, 1, 2};
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        int ends[2], received[3];
        char taken[16];
        size_t count = 7;
        assert_int_equal(fc_fd_message_pair(ends), 0);
        const int before = traces_now().descriptors;
        assert_int_equal(fc_fd_message_send(ends[0], bytes, messages[i].size, sent, messages[i].fds), 0);
        assert_int_equal(
            fc_fd_message_receive(ends[1], taken, messages[i].wanted_size, received, messages[i].max, &count, 0),
            -EPROTO);
        assert_int_equal(count, 0);
        assert_int_equal(traces_now().descriptors, before);
        close(ends[0]);
        close(ends[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_never_inheritable),
        cmocka_unit_test(fork_while_large_arguments_are_passed),
        cmocka_unit_test(two_threads_that_start_a_server),
        cmocka_unit_test(message_that_is_refused_leaves_no_descriptor),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
