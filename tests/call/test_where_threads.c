/* Tests that a call which is ended tells where the other threads of its child were, too. */
#include "config.h"

#include "sanitized.h"
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_PR_SET_NAME
#include <sys/prctl.h>
#endif

#define MANY_THREADS 20
#define SHOWN_MAX 8

enum way { SPINS, DEADLOCKS, HAS_MANY, BLOCKS, VFORKS, WAS_CANCELED, LOOKS_AT_ITS_LIMIT };

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

static void *thread_pauses(void *unused)
{
    atomic_fetch_add(&begun, 1);
    for (;;)
        pause();
    return unused;
}

static void *thread_blocks_all(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    return thread_pauses(unused);
}

/* What a child by FORK shares with the test. */
static struct shared {
    atomic_bool has_cleaned_up, leaves_no_core;
} * shared;

static void clean_up(void *unused)
{
    (void)unused;
    atomic_store(&shared->has_cleaned_up, true);
}

static void *thread_waits_and_is_canceled(void *unused)
{
    atomic_fetch_add(&begun, 1);
    pthread_cleanup_push(clean_up, NULL);
    pthread_mutex_lock(&a); /* no cancellation point */
    pthread_cleanup_pop(0);
    return unused;
}

static void *thread_looks_at_its_limit(void *unused)
{
    struct rlimit limit;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    atomic_fetch_add(&begun, 1);
    while (getrlimit(RLIMIT_CORE, &limit) == 0)
        if (limit.rlim_cur == 1)
            atomic_store(&shared->leaves_no_core, true);
    return unused;
}

static void *thread_waits_for_its_vforked_child(void *unused)
{
    atomic_fetch_add(&begun, 1);
    // NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork): the subject
    if (vfork() == 0)
        for (;;)
            pause();
    // NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork)
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

/* Returns the last thread, when all have begun. */
static pthread_t begin(void *(*function)(void *), int count)
{
    const int wanted = atomic_load(&begun) + count;
    pthread_t thread;
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread, NULL, function, NULL) != 0)
            abort();
    while (atomic_load(&begun) < wanted)
        usleep(1000);
    return thread;
}

/* Cancels the thread once it waits. One that does not wait yet comes to no cancellation point. */
static void cancel(pthread_t thread)
{
    usleep(1000);
    pthread_cancel(thread);
}

static int child_hangs_so(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    switch (*(const enum way *)args) {
    case SPINS:
        (void)begin(thread_spins, 1);
        break;
    case DEADLOCKS:
        pthread_mutex_lock(&a);
        (void)begin(thread_holds_b, 1);
        forkcall_progress(1, 1, "there");
        function_wants_b();
        break;
    case HAS_MANY:
        (void)begin(thread_pauses, MANY_THREADS);
        break;
    case BLOCKS:
        (void)begin(thread_blocks_all, 2);
        (void)begin(thread_pauses, 1);
        break;
    case VFORKS:
        (void)begin(thread_waits_for_its_vforked_child, 1);
        (void)begin(thread_pauses, 1);
        break;
    case WAS_CANCELED:
        pthread_mutex_lock(&a);
        cancel(begin(thread_waits_and_is_canceled, 1));
        break;
    case LOOKS_AT_ITS_LIMIT:
        (void)begin(thread_looks_at_its_limit, 1);
        (void)begin(thread_pauses, 1);
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

static bool is_before(time_t limit)
{
    return time(NULL) < limit;
}

/* Ends calls by a timeout until so many other threads have told where they are: on a busy machine
 * they may come to it too late, or answer too late. */
static struct forkcall_report end(enum way way, unsigned told, struct forkcall_options options, char text[TEXT_SIZE])
{
    struct forkcall_report report;
    const time_t limit = time(NULL) + (time_t)DEADLINE_S;
    for (options.timeout_ms = 50;; options.timeout_ms += options.timeout_ms < 800 ? options.timeout_ms : 0) {
        report = run_tested(child_hangs_so, &way, sizeof way, NULL, &options);
        assert_status(report, FORKCALL_TIMED_OUT);
        assert_true(forkcall_explain(&report, text, TEXT_SIZE) < TEXT_SIZE);
        if ((count_told(text) == told && strstr(text, "there") != NULL) || !is_before(limit))
            return report;
    }
}

static char text[TEXT_SIZE];

/* No handler runs in time, or knows the processor, or nothing lists the threads of a process. */
static bool can_tell(void)
{
#if defined HAVE_PROCESS_THREADS && !defined __SANITIZE_THREAD__ /* it holds signals back */
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

static bool can_tell_and_share(void)
{
    if (!can_tell())
        return false;
    if (method_shares_memory())
        return true;
    print_message("skipped: only a child by FORK shares memory with the test\n");
    return false;
}

/* The library writes and waits in that thread, which is a cancellation point elsewhere. */
static void canceled_thread_tells_and_does_not_clean_up(void **state)
{
    (void)state;
    if (!can_tell_and_share())
        return;
    (void)end(WAS_CANCELED, 1, (struct forkcall_options){0}, text);
    assert_int_equal(count_told(text), 1);
    assert_false(atomic_load(&shared->has_cleaned_up));
}

/* A thread with little stack left is killed by the signal. */
static void child_that_is_asked_leaves_no_core(void **state)
{
    const time_t limit = time(NULL) + (time_t)DEADLINE_S;
    struct rlimit core;
    (void)state;
    if (!can_tell_and_share())
        return;
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    if (core.rlim_max <= 1) {
        print_message("skipped: this process may have no core dumps\n");
        return;
    }
    const struct rlimit all = {.rlim_cur = core.rlim_max, .rlim_max = core.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_CORE, &all), 0);
    while (!atomic_load(&shared->leaves_no_core) && is_before(limit))
        (void)end(LOOKS_AT_ITS_LIMIT, 1, (struct forkcall_options){0}, text);
    assert_true(atomic_load(&shared->leaves_no_core));
    assert_int_equal(setrlimit(RLIMIT_CORE, &core), 0);
}

static int host_has_a_thread(void *unused)
{
    pthread_t thread;
    (void)unused;
    CHECK(pthread_create(&thread, NULL, thread_pauses, NULL) == 0);
    struct forkcall_options options = {.allow_unsafe_fork = true};
    const struct forkcall_report report = end(SPINS, 1, options, text);
    CHECK(report.crash.frame_count == 0);
    CHECK(count_told(text) == 1 && strstr(text, "\n  #0 thread_spins+0x") != NULL);
    /* The places of the last four calls are kept. */
    const enum way way = SPINS;
    options.timeout_ms = 50;
    for (int i = 0; i < 4; i++) {
        forkcall_explain(&report, text, sizeof text);
        CHECK(count_told(text) == 1);
        CHECK(run_tested(child_hangs_so, &way, sizeof way, NULL, &options).status == FORKCALL_TIMED_OUT);
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
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(place_of_another_thread_is_told),
        cmocka_unit_test(both_sides_of_a_deadlock_are_told),
        cmocka_unit_test(some_of_many_threads_are_told_and_the_rest_is_counted),
        cmocka_unit_test(thread_that_blocks_all_signals_is_not_waited_for),
        cmocka_unit_test(thread_that_cannot_answer_does_not_keep_the_call),
        cmocka_unit_test(canceled_thread_tells_and_does_not_clean_up),
        cmocka_unit_test(child_that_is_asked_leaves_no_core),
        cmocka_unit_test(threads_are_told_beside_threads_of_the_host),
    };
    return cmocka_run_group_tests_name("where threads", tests, NULL, NULL);
}
