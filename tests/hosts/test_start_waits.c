/* What a call waits for before its child runs: the deadline and a cancel are looked at there, too. */
#include "outcomes.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE ((size_t)64 << 20)
#define HANG "FORKCALL_TEST_HANG"

/* ---- A request that does not fit its pipe -------------------------------------------------------------------- */

/* The linker puts these in the place of the real ones: pipes are as small as those of a user who has used up pipe-user-pages-soft. */
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

/* A copy of this program that does not come to forkcall_init. */
__attribute__((constructor)) static void hang_in_a_copy(void)
{
    if (getenv(HANG) == NULL)
        return;
    alarm(2 * DEADLINE_S);
    for (;;)
        pause();
}

static struct forkcall_report run_large_request(int timeout_ms, int cancel_fd)
{
    static const char args[20000];
    const struct forkcall_options options = {
        .method = FORKCALL_SPAWN, .timeout_ms = timeout_ms, .cancel_fd_plus_one = cancel_fd + 1};
    setenv(HANG, "1", 1);
    const struct forkcall_report report = forkcall_run(child_returns_0, args, sizeof args, NULL, &options);
    unsetenv(HANG);
    return report;
}

static int cancel_a_request(void *unused)
{
    int ends[2];
    (void)unused;
    CHECK(pipe(ends) == 0 && write(ends[1], "c", 1) == 1);
    const struct forkcall_report report = run_large_request(0, ends[0]);
    CHECK(report.status == FORKCALL_CANCELED && report.ran == FORKCALL_RAN_NO);
    CHECK(!process_lives(report.pid));
    return 0;
}

static int time_a_request_out(void *unused)
{
    (void)unused;
    const struct forkcall_report report = run_large_request(20, -1);
    CHECK(report.status == FORKCALL_TIMED_OUT && report.ran == FORKCALL_RAN_NO);
    CHECK(!process_lives(report.pid));
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

/* ---- Arguments that take long to copy ------------------------------------------------------------------------ */

/* readable: how much of them. */
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

/* Only the beginning can be copied at all. */
static void canceled_while_arguments_are_copied(void **state)
{
    (void)state;
    char *args = map_args(LARGE / 8);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "c", 1), 1);
    for (int shift = method_shares_memory() ? 1 : 0; shift < 2; shift++) { /* 1: they are copied to be aligned */
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

int main(void)
{
    forkcall_init();
    warm_up();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canceled_while_the_request_does_not_fit_its_pipe),
        cmocka_unit_test(deadline_while_the_request_does_not_fit_its_pipe),
        cmocka_unit_test(canceled_while_arguments_are_copied),
        cmocka_unit_test(deadline_while_arguments_are_copied),
        cmocka_unit_test(large_arguments_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
