/* Tests that a call which is ended tells where the other threads of its child were, too. */
#include "config.h"

#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_PR_SET_NAME
#include <sys/prctl.h>
#endif

#define MANY_THREADS 20
#define SHOWN_MAX 8

enum way { SPINS, DEADLOCKS, HAS_MANY, BLOCKS, VFORKS };

static volatile int never;
static atomic_int begun;
static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;

__attribute__((noinline)) static void *thread_spins(void *unused)
{
    atomic_fetch_add(&begun, 1);
    while (never == 0)
        ;
    return unused;
}

static void *thread_blocks_all(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    return thread_spins(unused);
}

static void *thread_waits_for_its_vforked_child(void *unused)
{
    atomic_fetch_add(&begun, 1);
    if (vfork() == 0)
        for (;;)
            pause();
    return unused;
}

enum { LINE_THAT_WAITS = __LINE__ + 3 };
__attribute__((noinline)) static void thread_wants_a(void)
{
    pthread_mutex_lock(&a);
    never++;
}

static void *thread_holds_b(void *unused)
{
#ifdef HAVE_PR_SET_NAME
    prctl(PR_SET_NAME, "wor\nker", 0, 0, 0);
#endif
    pthread_mutex_lock(&b);
    atomic_fetch_add(&begun, 1);
    thread_wants_a();
    return unused;
}

__attribute__((noinline)) static void function_wants_b(void)
{
    pthread_mutex_lock(&b);
    never++;
}

static void begin(void *(*function)(void *), int count)
{
    const int wanted = atomic_load(&begun) + count;
    pthread_t thread;
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread, NULL, function, NULL) != 0)
            abort();
    while (atomic_load(&begun) < wanted)
        usleep(1000);
}

static int child_hangs_so(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    switch (*(const enum way *)args) {
    case SPINS:
        begin(thread_spins, 1);
        break;
    case DEADLOCKS:
        pthread_mutex_lock(&a);
        begin(thread_holds_b, 1);
        forkcall_progress(1, 1, "there");
        function_wants_b();
        break;
    case HAS_MANY:
        begin(thread_spins, MANY_THREADS);
        break;
    case BLOCKS:
        begin(thread_blocks_all, 2);
        begin(thread_spins, 1);
        break;
    case VFORKS:
        begin(thread_waits_for_its_vforked_child, 1);
        begin(thread_spins, 1);
        break;
    }
    forkcall_progress(1, 1, "there");
    for (;;)
        pause();
    return 0;
}

static unsigned count_told(const char *text)
{
    unsigned count = 0;
    while ((text = strstr(text, "\nThread ")) != NULL) {
        count++;
        text++;
    }
    return count;
}

#define TEXT_SIZE 65536

/* Ends a call by a timeout, which is longer each time until so many other threads have told where
 * they are: on a busy machine they may come to it too late, or answer too late. */
static struct forkcall_report end(enum way way, unsigned told, struct forkcall_options options, char text[TEXT_SIZE])
{
    struct forkcall_report report;
    for (options.timeout_ms = 50;; options.timeout_ms *= 2) {
        report = run_tested(child_hangs_so, &way, sizeof way, NULL, &options);
        assert_status(report, FORKCALL_TIMED_OUT);
        assert_true(forkcall_explain(&report, text, TEXT_SIZE) < TEXT_SIZE);
        if ((count_told(text) == told && strstr(text, "there") != NULL) || options.timeout_ms > 5000 * time_factor())
            return report;
    }
}

static char text[TEXT_SIZE];

/* No handler runs in time, or knows the processor, or nothing lists the threads of a process. */
static bool can_tell(void)
{
#ifdef HAVE_PROCESS_THREADS
    if (!under_valgrind() && !under_emulator() && access("/proc/self/task", R_OK) == 0)
        return true;
#endif
    print_message("skipped: the threads of a child are not asked here\n");
    return false;
}

static void place_of_another_thread_is_told(void **state)
{
    (void)state;
    if (!can_tell())
        return;
    const struct forkcall_report report = end(SPINS, 1, (struct forkcall_options){0}, text);
    assert_int_equal(count_told(text), 1);
    assert_non_null(strstr(text, "\n  #0 thread_spins+0x"));
    assert_int_equal(report.crash.thread_count, 2);
    assert_null(strstr(text, "not shown"));
}

static void both_sides_of_a_deadlock_are_told(void **state)
{
    (void)state;
    if (!can_tell())
        return;
    (void)end(DEADLOCKS, 1, (struct forkcall_options){0}, text);
    assert_int_equal(count_told(text), 1);
#ifdef HAVE_PR_SET_NAME
    assert_non_null(strstr(text, " (wor ker)"));
#endif
#if defined HAVE_EH_FRAME && defined __GLIBC__
    const char *thread = strstr(text, "\nThread ");
    char line[64];
    assert_non_null(strstr(text, "function_wants_b"));
    assert_non_null(strstr(thread, "thread_wants_a"));
    (void)snprintf(line, sizeof line, "test_where_threads.c:%d", LINE_THAT_WAITS);
    if (strstr(text, "test_where_threads.c:") != NULL) /* there is libdw */
        assert_non_null(strstr(thread, line));
#endif
}

static void some_of_many_threads_are_told_and_the_rest_is_counted(void **state)
{
    (void)state;
    if (!can_tell())
        return;
    (void)end(HAS_MANY, SHOWN_MAX, (struct forkcall_options){0}, text);
    assert_int_equal(count_told(text), SHOWN_MAX);
    assert_non_null(strstr(text, "\nOther threads that are not shown: 12."));
}

static void thread_that_blocks_all_signals_is_not_waited_for(void **state)
{
    (void)state;
    if (!can_tell())
        return;
    (void)end(BLOCKS, 1, (struct forkcall_options){0}, text);
    assert_int_equal(count_told(text), 1);
    assert_non_null(strstr(text, "\nOther threads that are not shown: 2."));
}

static void thread_that_cannot_answer_does_not_keep_the_call(void **state)
{
    (void)state;
    if (!can_tell() || under_sanitizer())
        return;
    const struct forkcall_report report = end(VFORKS, 1, (struct forkcall_options){0}, text);
    assert_int_equal(count_told(text), 1);
    assert_non_null(strstr(text, "\nOther threads that are not shown: 1."));
    assert_int_equal(report.crash.signal, 0);
}

static void *sleep_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static int host_has_a_thread(void *unused)
{
    pthread_t thread;
    (void)unused;
    CHECK(pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0);
    const struct forkcall_options options = {.allow_unsafe_fork = true};
    const struct forkcall_report report = end(SPINS, 1, options, text);
    CHECK(report.crash.frame_count == 0);
    CHECK(count_told(text) == 1 && strstr(text, "\n  #0 thread_spins+0x") != NULL);
    /* The places of the last four calls are kept. */
    for (int i = 0; i < 4; i++) {
        forkcall_explain(&report, text, sizeof text);
        CHECK(count_told(text) == 1);
        (void)end(SPINS, 1, options, text);
    }
    return 0;
}

static void threads_are_told_beside_threads_of_the_host(void **state)
{
    (void)state;
    if (can_tell())
        assert_int_equal(host_run(host_has_a_thread, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(place_of_another_thread_is_told),
        cmocka_unit_test(both_sides_of_a_deadlock_are_told),
        cmocka_unit_test(some_of_many_threads_are_told_and_the_rest_is_counted),
        cmocka_unit_test(thread_that_blocks_all_signals_is_not_waited_for),
        cmocka_unit_test(thread_that_cannot_answer_does_not_keep_the_call),
        cmocka_unit_test(threads_are_told_beside_threads_of_the_host),
    };
    return cmocka_run_group_tests_name("where threads", tests, NULL, NULL);
}
