/* Tests the waits of a call before its child runs: the deadline and a cancel also end these. */
#include "outcomes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <unistd.h>

#define LARGE ((size_t)64 << 20)
#define COPY "FORKCALL_TEST_COPY" /* what the re-executed program does: "hangs" or "ends" */

/* ---- A request that does not fit its pipe ---------------------------------------------------- */

/* The linker replaces these functions: pipes are as small as those of a user who has reached
 * pipe-user-pages-soft. */
int __real_pipe(int ends[2]);
int __wrap_pipe(int ends[2]);
int __real_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags);

static int make_small(int r, const int ends[2])
{
#ifdef F_SETPIPE_SZ
    if (r == 0)
        fcntl(ends[0], F_SETPIPE_SZ, 4096);
#else
    (void)ends;
#endif
    return r;
}

int __wrap_pipe(int ends[2])
{
    return make_small(__real_pipe(ends), ends);
}

int __wrap_pipe2(int ends[2], int flags)
{
    return make_small(__real_pipe2(ends, flags), ends);
}

/* Makes the re-executed program end or hang before forkcall_init(). */
__attribute__((constructor)) static void act_in_a_copy(void)
{
    const char *does = getenv(COPY);
    if (does == NULL)
        return;
    if (strcmp(does, "ends") == 0)
        _exit(0);
    alarm((unsigned)(2 * DEADLINE_S));
    for (;;)
        pause();
}

static struct forkcall_report run_large_request(const char *copy_does, int timeout_ms, int cancel_fd)
{
    static const char args[20000];
    const struct forkcall_options options = {
        .method = FORKCALL_SPAWN, .timeout_ms = timeout_ms, .cancel_fd_plus_one = cancel_fd + 1};
    setenv(COPY, copy_does, 1);
    const struct forkcall_report report = forkcall_run(child_returns_0, args, sizeof args, NULL, &options);
    unsetenv(COPY);
    return report;
}

static int cancel_a_request(void *unused)
{
    int ends[2];
    (void)unused;
    CHECK(pipe(ends) == 0 && write(ends[1], "c", 1) == 1);
    const struct forkcall_report report = run_large_request("hangs", 0, ends[0]);
    CHECK(report.status == FORKCALL_CANCELED && report.ran == FORKCALL_RAN_NO);
    CHECK(!process_lives(report.pid));
    return 0;
}

static int time_a_request_out(void *unused)
{
    (void)unused;
    const struct forkcall_report report = run_large_request("hangs", 20, -1);
    CHECK(report.status == FORKCALL_TIMED_OUT && report.ran == FORKCALL_RAN_NO);
    CHECK(!process_lives(report.pid));
    return 0;
}

static int end_before_a_request(void *unused)
{
    (void)unused;
    const struct forkcall_report report = run_large_request("ends", DEADLINE_S * 1000, -1);
    CHECK(report.status == FORKCALL_NOT_STARTED && report.ran == FORKCALL_RAN_NO && report.code == ENOEXEC);
    CHECK(strstr(report.message, "ended with exit status 0") != NULL);
    return 0;
}

static void canceled_while_the_request_does_not_fit_its_pipe(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("the emulator does not exec the program's own image");
    assert_int_equal(host_run(cancel_a_request, NULL), 0);
}

static void deadline_while_the_request_does_not_fit_its_pipe(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("the emulator does not exec the program's own image");
    assert_int_equal(host_run(time_a_request_out, NULL), 0);
}

static void end_of_the_child_while_the_request_does_not_fit_its_pipe(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("the emulator does not exec the program's own image");
    assert_int_equal(host_run(end_before_a_request, NULL), 0);
}

/* ---- Arguments that take long to copy -------------------------------------------------------- */

/* readable: how many bytes can be read. */
static char *map_args(size_t readable)
{
    char *args = mmap(NULL, LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (args == MAP_FAILED) {
        perror("mmap");
        abort();
    }
    assert_int_equal(mprotect(args, readable, PROT_READ | PROT_WRITE), 0);
    memset(args, 1, readable);
    return args;
}

/* Only the beginning of the arguments can be read: copying all of them would crash. */
static void canceled_while_arguments_are_copied(void **state)
{
    (void)state;
    char *args = map_args(LARGE / 8);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "c", 1), 1);
    /* Arguments at an odd address (1) are copied to be aligned. */
    for (int shift = method_shares_memory() ? 1 : 0; shift < 2; shift++) {
        const struct forkcall_options options = {.cancel_fd_plus_one = ends[0] + 1};
        const struct forkcall_report report = run_tested(child_returns_0, args + shift, LARGE - 1, NULL, &options);
        assert_status(report, FORKCALL_CANCELED);
        assert_int_equal(report.ran, FORKCALL_RAN_NO);
    }
    close(ends[0]);
    close(ends[1]);
    munmap(args, LARGE);
}

static void deadline_while_arguments_are_copied(void **state)
{
    (void)state;
    char *args = map_args(LARGE);
    for (int shift = method_shares_memory() ? 1 : 0; shift < 2; shift++) {
        const struct forkcall_options options = {.timeout_ms = 1};
        const struct forkcall_report report = run_tested(child_returns_0, args + shift, LARGE - 1, NULL, &options);
        assert_status(report, FORKCALL_TIMED_OUT);
        assert_int_equal(report.ran, FORKCALL_RAN_NO);
        assert_string_equal(report.message, "no answer within 1 ms: the arguments were being copied");
    }
    munmap(args, LARGE);
}

static void large_arguments_arrive(void **state)
{
    (void)state;
    char *args = map_args(LARGE);
    for (int shift = 0; shift < 2; shift++) {
        const size_t size = LARGE / 4 - 77;
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        memset(args + shift, 'a' + shift, size);
        const struct forkcall_report report = run_tested(child_echoes, args + shift, size, &result, NULL);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(result.size, size);
        assert_memory_equal(result.data, args + shift, size);
        forkcall_buf_free(&result);
    }
    munmap(args, LARGE);
}

/* ---- If no descriptor can be watched --------------------------------------------------------- */

static atomic_bool refused; /* in this process poll(2) and select(2) fail */
static atomic_bool counted;
static atomic_ulong looks;

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __real_select(int end, fd_set *readable, fd_set *writable, fd_set *except, struct timeval *time);
int __wrap_select(int end, fd_set *readable, fd_set *writable, fd_set *except, struct timeval *time);
ssize_t __real_writev(int fd, const struct iovec *parts, int count);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);

static bool is_refused(void)
{
    if (atomic_load(&counted))
        atomic_fetch_add(&looks, 1);
    errno = EPERM;
    return atomic_load(&refused);
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    return is_refused() ? -1 : __real_poll(fds, count, timeout_ms);
}

int __wrap_select(int end, fd_set *readable, fd_set *writable, fd_set *except, struct timeval *time)
{
    return is_refused() ? -1 : __real_select(end, readable, writable, except, time);
}

/* A loop that looks whether it can write calls writev(), which counts as a look. */
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count)
{
    if (atomic_load(&counted))
        atomic_fetch_add(&looks, 1);
    return __real_writev(fd, parts, count);
}

#define SHORT_MS 150
/* A loop that pauses stays below this number of looks per millisecond, and one that spins is
 * always above. */
#define LOOKS_PER_MS 20

/* Checks that wait() waited at all, and that it did not spin. */
static int check_that_it_pauses(int (*wait)(void), bool can_watch)
{
    const double start = now_s();
    atomic_store(&looks, 0);
    atomic_store(&counted, true);
    atomic_store(&refused, !can_watch);
    const int r = wait();
    atomic_store(&refused, false);
    atomic_store(&counted, false);
    const double ms = (now_s() - start) * 1e3;
    if ((double)atomic_load(&looks) > ms * LOOKS_PER_MS)
        fprintf(stderr, "%lu looks in %.0f ms\n", atomic_load(&looks), ms);
    CHECK(r == 0);
    CHECK(ms >= SHORT_MS && atomic_load(&looks) > 0);
    CHECK((double)atomic_load(&looks) <= ms * LOOKS_PER_MS);
    return 0;
}

static int wait_for_a_function(void)
{
    const struct forkcall_options options = {.timeout_ms = SHORT_MS};
    CHECK(run_tested(child_hangs, NULL, 0, NULL, &options).status == FORKCALL_TIMED_OUT);
    return 0;
}

static int wait_for_a_map(void)
{
    const struct forkcall_map_options options = {.call = {.method = tested_method(), .timeout_ms = SHORT_MS},
                                                 .processes = 2};
    CHECK(forkcall_map(child_hangs, NULL, 0, 2, NULL, NULL, &options).status == FORKCALL_TIMED_OUT);
    return 0;
}

static int wait_for_room(void)
{
    CHECK(run_large_request("hangs", SHORT_MS, -1).status == FORKCALL_TIMED_OUT);
    return 0;
}

static int wait_for_prepare(void)
{
    const struct forkcall_server_options options = {.prepare = child_hangs, .timeout_ms = SHORT_MS};
    CHECK(forkcall_server_start(&options) == -ETIMEDOUT);
    return 0;
}

static int wait_for_a_copy(void)
{
    const struct forkcall_server_options options = {.timeout_ms = SHORT_MS};
    setenv(COPY, "hangs", 1);
    CHECK(forkcall_server_start(&options) == -ETIMEDOUT);
    unsetenv(COPY);
    return 0;
}

static void *start_in_vain(void *unused)
{
    const struct forkcall_server_options options = {.timeout_ms = 3 * SHORT_MS};
    forkcall_server_start(&options);
    return unused;
}

static int wait_for_another_thread(void)
{
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = 2 * SHORT_MS};
    pthread_t thread;
    setenv(COPY, "hangs", 1);
    CHECK(pthread_create(&thread, NULL, start_in_vain, NULL) == 0);
    CHECK(forkcall_run(child_returns_0, NULL, 0, NULL, &options).status == FORKCALL_TIMED_OUT);
    pthread_join(thread, NULL);
    unsetenv(COPY);
    return 0;
}

static int tells_parent(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const pid_t parent = getppid();
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &parent, sizeof parent);
}

/* Uses up the server's spares, so that a call waits for a child. */
static int wait_for_a_child(void)
{
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = SHORT_MS};
    const struct forkcall_options first = {.method = FORKCALL_SERVER, .timeout_ms = DEADLINE_S * 1000};
    pid_t server = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&server, sizeof server);
    CHECK(forkcall_run(tells_parent, NULL, 0, &result, &first).status == FORKCALL_OK);
    CHECK(kill(server, SIGSTOP) == 0);
    enum forkcall_status status = FORKCALL_OK;
    for (int i = 0; status == FORKCALL_OK && i < 10; i++)
        status = forkcall_run(child_returns_0, NULL, 0, NULL, &options).status;
    kill(server, SIGCONT);
    CHECK(status == FORKCALL_TIMED_OUT);
    CHECK(forkcall_server_stop() == 0);
    return 0;
}

static int wait_for_the_end_of_a_server(void)
{
    pid_t server = 0;
    const struct forkcall_options options = {.method = FORKCALL_SERVER};
    struct forkcall_buf result = forkcall_buf_fixed(&server, sizeof server);
    CHECK(forkcall_run(tells_parent, NULL, 0, &result, &options).status == FORKCALL_OK);
    CHECK(kill(server, SIGSTOP) == 0);
    CHECK(forkcall_server_stop() == 0);
    kill(server, SIGCONT);
    return 0;
}

static int wait_for_everything(void *unused)
{
    static int (*const of_all[])(void) = {wait_for_a_function, wait_for_a_map};
    static int (*const of_spawn[])(void) = {wait_for_room};
    static int (*const of_server[])(void) = {wait_for_prepare,        wait_for_a_copy,  wait_for_the_end_of_a_server,
                                             wait_for_another_thread, wait_for_a_child, NULL};
    (void)unused;
    for (size_t i = 0; i < sizeof of_all / sizeof *of_all; i++)
        CHECK(check_that_it_pauses(of_all[i], false) == 0);
    for (size_t i = 0; tested_method() == FORKCALL_SPAWN && i < sizeof of_spawn / sizeof *of_spawn; i++)
        CHECK(check_that_it_pauses(of_spawn[i], false) == 0);
    CHECK(forkcall_server_stop() == 0);
    for (size_t i = 0; tested_method() == FORKCALL_SERVER && of_server[i] != NULL; i++)
        CHECK(check_that_it_pauses(of_server[i], false) == 0);
    return 0;
}

static int wait_for_room_and_the_deadline(void *unused)
{
    (void)unused;
    return check_that_it_pauses(wait_for_room, true);
}

static void no_wait_for_room_spins(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("the emulator does not exec the program's own image");
    assert_int_equal(host_run(wait_for_room_and_the_deadline, NULL), 0);
}

static void no_wait_of_the_host_spins_where_nothing_can_be_watched(void **state)
{
    (void)state;
    assert_int_equal(host_run(wait_for_everything, NULL), 0);
}

int main(void)
{
    forkcall_init();
    warm_up();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canceled_while_the_request_does_not_fit_its_pipe),
        cmocka_unit_test(deadline_while_the_request_does_not_fit_its_pipe),
        cmocka_unit_test(end_of_the_child_while_the_request_does_not_fit_its_pipe),
        cmocka_unit_test(canceled_while_arguments_are_copied),
        cmocka_unit_test(deadline_while_arguments_are_copied),
        cmocka_unit_test(large_arguments_arrive),
        cmocka_unit_test(no_wait_for_room_spins),
        cmocka_unit_test(no_wait_of_the_host_spins_where_nothing_can_be_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
