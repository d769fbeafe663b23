/* Tests a host whose other thread holds the loader's lock for as long as it likes (a profiler or
 * an unwinder in dl_iterate_phdr()): a call of the program's own function still ends at its
 * deadline or by a cancel, and its answer is not lost. */
#include "outcomes.h"

#include <link.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static int held[2];

static int hold(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)info;
    (void)size;
    (void)unused;
    if (write(held[1], "h", 1) == 1)
        hang();
    return 1;
}

static void *hold_the_lock(void *unused)
{
    dl_iterate_phdr(hold, unused);
    return NULL;
}

static int child_reports_and_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    forkcall_progress(1, 1, "there");
    return child_hangs(args, args_size, result);
}

static int cancel(void *user, double done, double total, const char *note)
{
    (void)user;
    (void)done;
    (void)total;
    (void)note;
    return 1;
}

static int call_beside(void *unused)
{
    pthread_t thread;
    char byte;
    (void)unused;
    CHECK(pipe(held) == 0 && pthread_create(&thread, NULL, hold_the_lock, NULL) == 0 && read(held[0], &byte, 1) == 1);
    const struct forkcall_options late = {.timeout_ms = 50, .allow_unsafe_fork = true};
    CHECK(run_tested(child_hangs, NULL, 0, NULL, &late).status == FORKCALL_TIMED_OUT);
    const struct forkcall_options canceled = {
        .timeout_ms = DEADLINE_S * 1000, .progress = cancel, .allow_unsafe_fork = true};
    CHECK(run_tested(child_reports_and_hangs, NULL, 0, NULL, &canceled).status == FORKCALL_CANCELED);
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000, .allow_unsafe_fork = true};
    CHECK(run_tested(child_returns_0, NULL, 0, NULL, &options).status == FORKCALL_OK);
    CHECK(run_tested(child_fails_7, NULL, 0, NULL, &options).status == FORKCALL_FAILED);
    return 0;
}

static void calls_while_a_thread_holds_the_lock_of_the_loader(void **state)
{
    (void)state;
    assert_int_equal(host_run(call_beside, NULL), 0);
}

/* A function that hangs is told with its frames. On a busy machine it may not tell them in time. */
static bool hang_is_told(void)
{
    char text[8192] = "";
    for (int ms = 50; strstr(text, "\n  #0 ") == NULL && ms <= 1600; ms *= 2) {
        const struct forkcall_options options = {.timeout_ms = ms, .allow_unsafe_fork = true};
        const struct forkcall_report report = run_tested(child_hangs, NULL, 0, NULL, &options);
        forkcall_explain(&report, text, sizeof text);
    }
    return strstr(text, "\n  #0 ") != NULL;
}

static void *wait_for_ever(void *unused)
{
    hang();
    return unused;
}

static int hang_beside(void *unused)
{
    pthread_t thread;
    (void)unused;
    if (!hang_is_told())
        return NOT_HERE;
    CHECK(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
    CHECK(hang_is_told());
    return 0;
}

static void place_of_a_hang_is_told_beside_other_threads(void **state)
{
    (void)state;
    const int r = host_run(hang_beside, NULL);
    if (r == NOT_HERE)
        SKIP("a function does not tell here where it hangs");
    assert_int_equal(r, 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_while_a_thread_holds_the_lock_of_the_loader),
        cmocka_unit_test(place_of_a_hang_is_told_beside_other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
