/* Tests threads: many calls at once, calls that are started, waited for and finished by different
 * threads, and the refusal to fork while other threads run. */
#include "outcomes.h"
#include "sanitized.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALLERS 32
#define CALLS_EACH 12
#define NOISE_THREADS 3
#define TRIED 1024
#define CROWD_MS (2 * PLENTY_MS) /* the timeout of calls that many threads make at once */

/* ---- 32 at once ------------------------------------------------------------------------------ */

static atomic_bool stop_noise;
static bool had[TRIED]; /* the descriptors of the host before any call */
static FILE *sink;

static void *make_noise(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop_noise)) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe,cert-msc30-c,cert-msc50-cpp): any number will do
        char *memory = malloc((size_t)(rand() % 5000) + 1);
        if (memory != NULL)
            memory[0] = 1;
        fprintf(sink, "%p %d\n", (void *)memory, 7);
        free(memory);
    }
    return NULL;
}

/* Returns how many descriptors it has that the host did not have. A child that is no fork has none
 * of the host's, and does not know them. */
static int child_counts_descriptors(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int more = 0;
    (void)args;
    (void)args_size;
    for (int fd = 0; fd < TRIED; fd++)
        more += fd > 2 && fcntl(fd, F_GETFD) >= 0 && !had[fd];
    return forkcall_buf_append(result, &more, sizeof more);
}

/* The thread sanitizer's own locks do not survive every fork of a threaded process: the child may
 * hang. So may the server, which has a thread of the sanitizer, too. The host gives a silent server
 * up, and then nobody tells how that server's children have ended. */
#ifdef __SANITIZE_THREAD__
#define MAY_HANG true
#define FORK_MS (5000 * time_factor())
#else
#define MAY_HANG false
#define FORK_MS CROWD_MS
#endif

static struct forkcall_options unsafe_options(void)
{
    return (struct forkcall_options){.allow_unsafe_fork = true, .timeout_ms = FORK_MS};
}

static bool hangs(const struct forkcall_report *report)
{
    return MAY_HANG && (report->status == FORKCALL_TIMED_OUT ||
                        (report->status == FORKCALL_LOST && report->method == FORKCALL_SERVER));
}

/* True: the call has ended in one of the ways that are right. Else the report is printed, because a
 * rare outcome is not seen again by running the test again. */
static bool is_right(bool right, const struct forkcall_report *report)
{
    if (!right)
        fprintf(stderr, "%s %d: %s\n", forkcall_status_name(report->status), report->code, report->message);
    return right;
}

static int call_in_turn(int i)
{
    const struct forkcall_options options = unsafe_options();
    int more = -1;
    struct forkcall_buf small = forkcall_buf_fixed(&more, sizeof more);
    struct forkcall_buf large = FORKCALL_BUF_INIT;
    struct forkcall_report report;
    switch (i % 4) {
    case 0:
    case 1:
        report = run_tested(child_counts_descriptors, NULL, 0, &small, &options);
        if (hangs(&report))
            return 0;
        CHECK(is_right(report.status == FORKCALL_OK, &report));
        /* The reply, the go and the memory of the result; by SERVER also the pipe that ends with
         * the server. */
        CHECK(more >= 1 && more <= (tested_method() == FORKCALL_SERVER ? 4 : 3));
        break;
    case 2:
        report = run_tested(child_answers_large, NULL, 0, &large, &options);
        CHECK(hangs(&report) || is_right(report.status == FORKCALL_OK && is_large_answer(&large), &report));
        forkcall_buf_free(&large);
        break;
    default:
        report = run_tested(child_ends_4, NULL, 0, NULL, &options);
        CHECK(hangs(&report) || is_right(report.status == FORKCALL_EXITED && report.code == 4, &report));
        break;
    }
    return 0;
}

static void *call_many_times(void *unused)
{
    intptr_t failures = 0;
    (void)unused;
    for (int i = 0; i < CALLS_EACH; i++)
        failures += call_in_turn(i);
    return (void *)failures; // NOLINT(performance-no-int-to-ptr): a number
}

static void thirty_two_threads_call_at_once(void **state)
{
    pthread_t noise[NOISE_THREADS];
    pthread_t callers[CALLERS];
    (void)state;
    sink = fopen("/dev/null", "we");
    assert_non_null(sink);
    for (int fd = 0; fd < TRIED; fd++)
        had[fd] = fcntl(fd, F_GETFD) >= 0;
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int i = 0; i < NOISE_THREADS; i++)
        assert_int_equal(pthread_create(&noise[i], NULL, make_noise, NULL), 0);
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, call_many_times, NULL), 0);
    intptr_t failures = 0;
    for (int i = 0; i < CALLERS; i++) {
        void *result;
        pthread_join(callers[i], &result);
        failures += (intptr_t)result;
    }
    atomic_store(&stop_noise, true);
    for (int i = 0; i < NOISE_THREADS; i++)
        pthread_join(noise[i], NULL);
    assert_int_equal(failures, 0);
    assert_no_traces(before, false);
    fclose(sink);
}

/* ---- Calls that pass between threads --------------------------------------------------------- */

struct hand {
    struct forkcall_call *call;
    int go[2];
    int answer;
    struct forkcall_buf result;
    int started, waited;
    struct forkcall_report report;
};

static int child_waits_for_a_byte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char byte;
    if (read(*(const int *)args, &byte, 1) != 1)
        return 1;
    return child_answers_42(NULL, args_size, result);
}

static void *start_it(void *context)
{
    struct hand *hand = context;
    struct forkcall_options options = unsafe_options();
    options.keep_fds = &hand->go[0];
    options.keep_fds_count = 1;
    hand->result = forkcall_buf_fixed(&hand->answer, sizeof hand->answer);
    hand->started =
        start_tested(&hand->call, child_waits_for_a_byte, &hand->go[0], sizeof hand->go[0], &hand->result, &options);
    return NULL;
}

static void *wait_for_it(void *context)
{
    struct hand *hand = context;
    hand->waited = forkcall_wait(hand->call, -1);
    return NULL;
}

static void *cancel_it(void *context)
{
    struct hand *hand = context;
    for (int i = 0; i < 3; i++) /* repeating it has no effect */
        forkcall_cancel(hand->call);
    return NULL;
}

static void *finish_it(void *context)
{
    struct hand *hand = context;
    hand->report = forkcall_finish(hand->call);
    return NULL;
}

static void in_a_thread(void *(*body)(void *), struct hand *hand)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, hand), 0);
    pthread_join(thread, NULL);
}

static void call_started_in_one_thread_and_finished_in_another(void **state)
{
    (void)state;
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int i = 0; i < 20; i++) {
        struct hand hand = {.answer = 0};
        assert_int_equal(pipe(hand.go), 0);
        in_a_thread(start_it, &hand);
        assert_int_equal(hand.started, 0);
        assert_int_equal(write(hand.go[1], "g", 1), 1);
        in_a_thread(finish_it, &hand);
        assert_status(hand.report, FORKCALL_OK);
        assert_int_equal(hand.answer, 42);
        close(hand.go[0]);
        close(hand.go[1]);
    }
    assert_no_traces(before, false);
}

/* The waiting thread has no timeout: only the cancel can wake it. */
static void canceled_from_one_thread_while_another_waits(void **state)
{
    (void)state;
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int i = 0; i < 20; i++) {
        struct hand hand = {.answer = 0};
        pthread_t waiter;
        pthread_t canceler;
        assert_int_equal(pipe(hand.go), 0);
        in_a_thread(start_it, &hand);
        assert_int_equal(pthread_create(&waiter, NULL, wait_for_it, &hand), 0);
        if (i % 2 != 0)
            /* Gives the waiter time to begin, without certainty: the test holds in either order. */
            usleep(2000);
        assert_int_equal(pthread_create(&canceler, NULL, cancel_it, &hand), 0);
        pthread_join(canceler, NULL);
        pthread_join(waiter, NULL);
        assert_int_equal(hand.waited, 1);
        in_a_thread(finish_it, &hand);
        assert_status(hand.report, FORKCALL_CANCELED);
        close(hand.go[0]);
        close(hand.go[1]);
    }
    assert_no_traces(before, false);
}

/* ---- Refusal --------------------------------------------------------------------------------- */

static void *wait_for_byte(void *go)
{
    char byte;
    const ssize_t n = read(*(int *)go, &byte, 1);
    (void)n;
    return NULL;
}

static int refuse_with_threads(void *unused)
{
    static const enum forkcall_method refusing[] = {FORKCALL_AUTO, FORKCALL_FORK};
    pthread_t thread;
    int go[2];
    (void)unused;
    CHECK((forkcall_hazards() & FORKCALL_HAZARD_THREADS) == 0 || under_sanitizer());
    CHECK(pipe(go) == 0 && pthread_create(&thread, NULL, wait_for_byte, &go[0]) == 0);
    const struct traces before = traces_now();
    for (size_t i = 0; i < sizeof refusing / sizeof *refusing; i++) {
        struct forkcall_options options = {.method = refusing[i]};
        struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(report.status == FORKCALL_UNSAFE && report.ran == FORKCALL_RAN_NO && report.pid == 0);
        CHECK((report.hazards & FORKCALL_HAZARD_THREADS) != 0);
        CHECK(report.elapsed_ns > 0);
        CHECK(strstr(report.message, "threads") != NULL && strstr(report.message, "allow_unsafe_fork") != NULL);
        options.allow_unsafe_fork = true;
        report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(report.status == FORKCALL_OK);
        CHECK((report.hazards & FORKCALL_HAZARD_THREADS) != 0);
    }
    const struct forkcall_report report = run_in_forked_process(child_returns_0, NULL, NULL);
    CHECK(report.status == FORKCALL_UNSAFE);
    const struct forkcall_options here = {.method = FORKCALL_INLINE};
    CHECK(forkcall_run(child_returns_0, NULL, 0, NULL, &here).status == FORKCALL_OK);
    CHECK(traces_now().descriptors == before.descriptors);
    CHECK(write(go[1], "g", 1) == 1);
    pthread_join(thread, NULL);
    if (under_sanitizer()) /* the thread sanitizer has a thread of its own */
        return 0;
    CHECK((forkcall_hazards() & FORKCALL_HAZARD_THREADS) == 0);
    CHECK(forkcall_run(child_returns_0, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    return 0;
}

static void fork_is_refused_while_threads_run_and_not_afterwards(void **state)
{
    (void)state;
    if (!method_shares_memory())
        SKIP("others do not fork this process");
    assert_int_equal(host_run(refuse_with_threads, NULL), 0);
}

/* The kernel closes the descriptors of such a thread after it has let pthread_join return. */
static void *returns_with_its_own_descriptors(void *nothing)
{
#ifdef CLONE_FILES
    int ends[2];
    if (unshare(CLONE_FILES) == 0)
        for (int i = 0; i < 400 && pipe(ends) == 0; i++)
            ;
#endif
    return nothing;
}

/* The kernel counts a thread that was joined until it is done with the thread, a moment later. */
static int fork_after_joining(void *unused)
{
    (void)unused;
    for (int i = 0; i < 30; i++) {
        pthread_t threads[4];
        for (int k = 0; k < 4; k++)
            CHECK(pthread_create(&threads[k], NULL, returns_with_its_own_descriptors, NULL) == 0);
        for (int k = 0; k < 4; k++)
            pthread_join(threads[k], NULL);
        CHECK((forkcall_hazards() & FORKCALL_HAZARD_THREADS) == 0);
        CHECK(forkcall_run(child_returns_0, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    }
    return 0;
}

static void threads_that_were_joined_are_no_reason_to_refuse(void **state)
{
    (void)state;
    if (!method_shares_memory() || under_sanitizer())
        SKIP("others do not fork this process, and the thread sanitizer has a thread of its own");
    assert_int_equal(host_run(fork_after_joining, NULL), 0);
}

/* ---- A thread that cannot be looked at ------------------------------------------------------- */

#ifdef SANITIZED
#define CAN_INTERPOSE false
#else
#define CAN_INTERPOSE true
static bool tasks_are_hidden;

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's names are reserved
int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? (mode_t)va_arg(list, unsigned) : 0;
    va_end(list);
    if (tasks_are_hidden && strstr(path, "/stat") != NULL) {
        errno = EMFILE;
        return -1;
    }
    return openat(AT_FDCWD, path, flags, mode);
}
#endif

static int ask_while_tasks_are_hidden(void *unused)
{
    pthread_t thread;
    int go[2];
    (void)unused;
    CHECK(pipe(go) == 0 && pthread_create(&thread, NULL, wait_for_byte, &go[0]) == 0);
#ifndef SANITIZED
    tasks_are_hidden = true;
#endif
    CHECK((forkcall_hazards() & FORKCALL_HAZARD_THREADS) != 0);
    CHECK(write(go[1], "g", 1) == 1);
    pthread_join(thread, NULL);
    return 0;
}

/* What cannot be read of a thread does not say that the thread has ended. */
static void thread_that_cannot_be_looked_at_runs(void **state)
{
    (void)state;
    if (!method_shares_memory() || !CAN_INTERPOSE)
        SKIP("others do not fork this process, and a tool interposes the same function");
    assert_int_equal(host_run(ask_while_tasks_are_hidden, NULL), 0);
}

static int allow_with_threads(void *unused)
{
    const enum forkcall_method allowing[] = {FORKCALL_AUTO, tested_method()};
    const int number = 7;
    pthread_t thread;
    int go[2];
    (void)unused;
    CHECK(pipe(go) == 0 && pthread_create(&thread, NULL, wait_for_byte, &go[0]) == 0);
    for (size_t i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = allowing[i]};
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        CHECK(report.status == FORKCALL_OK && report.method != FORKCALL_FORK);
        /* The threads are reported, but are no reason to refuse. */
        CHECK((report.hazards & FORKCALL_HAZARD_THREADS) != 0);
    }
    /* With pointers into this process, AUTO means FORK. */
    const struct forkcall_report report = forkcall_run(child_returns_0, &number, FORKCALL_BY_POINTER, NULL, NULL);
    CHECK(report.status == FORKCALL_UNSAFE && report.method == FORKCALL_FORK);
    CHECK(write(go[1], "g", 1) == 1);
    pthread_join(thread, NULL);
    return 0;
}

static void other_methods_are_not_refused_while_threads_run(void **state)
{
    (void)state;
    if (method_shares_memory())
        SKIP("this program is without forkcall_init()");
    assert_int_equal(host_run(allow_with_threads, NULL), 0);
}

/* ---- A small stack --------------------------------------------------------------------------- */

#define SMALL_STACK ((size_t)32 << 10)

static int child_aborts(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    abort();
}

/* Uses the whole interface of a caller. The first call also starts the server. */
static void *call_on_a_small_stack(void *failed)
{
    static struct forkcall_report reports[3];
    static struct forkcall_options options;
    static struct forkcall_map_options map_options;
    struct forkcall_call *call = NULL;
    options = unsafe_options();
    options.method = tested_method();
    map_options.call = options;
    map_options.call.output = NULL;
    reports[0] = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    reports[1] = forkcall_run(child_aborts, NULL, 0, NULL, &options);
    bool right = reports[0].status == FORKCALL_OK && reports[1].status == FORKCALL_SIGNALED;
    right = right && forkcall_start(&call, child_returns_0, NULL, 0, NULL, &options) == 0;
    right = right && (forkcall_fd(call) >= 0 || forkcall_fd(call) == -ENOTSUP) && forkcall_wait(call, -1) == 1;
    reports[2] = forkcall_finish(call);
    right = right && reports[2].status == FORKCALL_OK;
    reports[2] = forkcall_map(child_returns_0, NULL, 0, 4, NULL, NULL, &map_options);
    *(bool *)failed = !right || reports[2].status != FORKCALL_OK;
    return NULL;
}

static int host_with_a_small_stack(void *unused)
{
    bool failed = true;
    pthread_attr_t attributes;
    pthread_t thread;
    (void)unused;
    CHECK(pthread_attr_init(&attributes) == 0);
    const long least = sysconf(_SC_THREAD_STACK_MIN);
    const size_t size = least > (long)SMALL_STACK ? (size_t)least : SMALL_STACK;
    CHECK(pthread_attr_setstacksize(&attributes, size) == 0);
    CHECK(pthread_create(&thread, &attributes, call_on_a_small_stack, &failed) == 0);
    pthread_join(thread, NULL);
    CHECK(!failed);
    return 0;
}

/* docs/limits.md promises 32 KiB. Without optimisation the compiler gives every variable a place
 * of its own on the stack. */
static void a_thread_with_32_KiB_of_stack_can_call(void **state)
{
    (void)state;
#ifndef __OPTIMIZE__
    SKIP("the library is built without optimisation, as a rule, where its tests are");
#endif
    if (under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("all takes more stack here");
    assert_int_equal(host_run(host_with_a_small_stack, NULL), 0);
}

int main(void)
{
    /* By FORK, the tests run in a program that does not call forkcall_init(). */
    if (!method_shares_memory())
        forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fork_is_refused_while_threads_run_and_not_afterwards),
        cmocka_unit_test(threads_that_were_joined_are_no_reason_to_refuse),
        cmocka_unit_test(thread_that_cannot_be_looked_at_runs),
        cmocka_unit_test(other_methods_are_not_refused_while_threads_run),
        cmocka_unit_test(thirty_two_threads_call_at_once),
        cmocka_unit_test(call_started_in_one_thread_and_finished_in_another),
        cmocka_unit_test(canceled_from_one_thread_while_another_waits),
        cmocka_unit_test(a_thread_with_32_KiB_of_stack_can_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
