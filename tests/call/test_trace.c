/* Tests what forkcall_set_trace tells of calls.
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- The events that were told --------------------------------------------------------------- */

#define EVENTS_MAX 256

struct event {
    struct forkcall_trace trace; /* without its pointers */
    char name[64];
    struct forkcall_report report; /* if is_end */
    bool has_report;
    pthread_t thread;
};

struct log {
    struct event event[EVENTS_MAX];
    size_t count;
    pid_t process; /* the only one that may be told */
    bool strayed;  /* another one was told */
};

static struct log log_of_test;

static void note(void *user, const struct forkcall_trace *trace)
{
    struct log *log = user;
    if (getpid() != log->process || log->count == EVENTS_MAX) {
        log->strayed = true;
        return;
    }
    struct event *event = &log->event[log->count++];
    event->trace = *trace;
    strncpy(event->name, trace->name, sizeof event->name - 1);
    event->has_report = trace->report != NULL;
    if (event->has_report)
        event->report = *trace->report;
    event->thread = pthread_self();
    errno = ERANGE; /* must not be seen by the caller */
}

static struct log *trace_into_log(void)
{
    memset(&log_of_test, 0, sizeof log_of_test);
    log_of_test.process = getpid();
    forkcall_set_trace(note, &log_of_test);
    return &log_of_test;
}

/* The events, one letter each: S R r = E for start, ready, running, result, end. */
static const char *letters(const struct log *log)
{
    static char text[EVENTS_MAX + 1];
    for (size_t i = 0; i < log->count; i++)
        text[i] = "?SRr=E"[log->event[i].trace.event];
    text[log->count] = '\0';
    return text;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* A call by the tested method. A sanitizer may have a thread of its own. */
static struct forkcall_report run(forkcall_fn *fn, struct forkcall_buf *result, struct forkcall_options options)
{
    options.allow_unsafe_fork = true;
    return run_tested(fn, NULL, 0, result, &options);
}

static struct forkcall_report run_plain(forkcall_fn *fn)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    return run(fn, NULL, options);
}

static struct forkcall_call *start(forkcall_fn *fn)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS, .allow_unsafe_fork = true};
    struct forkcall_call *call = NULL;
    assert_int_equal(start_tested(&call, fn, NULL, 0, NULL, &options), 0);
    return call;
}

/* ---- One call -------------------------------------------------------------------------------- */

static int exits_at_once(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    _exit(3);
}

static void events_of_a_call_come_in_order_and_tell_what_is_known(void **state)
{
    (void)state;
    static const char *const expected[] = {"SRr=E", "Sr=E"};
    for (int in_line = 0; in_line < 2; in_line++) {
        const struct forkcall_options options = {
            .timeout_ms = PLENTY_MS, .method = in_line ? FORKCALL_INLINE : FORKCALL_AUTO, .name = "the answer"};
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct log *log = trace_into_log();
        const uint64_t before_ns = now_ns();
        errno = EDOM;
        const struct forkcall_report r = run(child_answers_42, &result, options);
        const int error = errno;
        const uint64_t after_ns = now_ns();
        forkcall_set_trace(NULL, NULL);
        assert_int_equal(error, EDOM);
        assert_status(r, FORKCALL_OK);
        assert_int_equal(*(int *)result.data, 42);
        forkcall_buf_free(&result);
        assert_string_equal(letters(log), expected[in_line]);
        uint64_t last_ns = before_ns;
        for (size_t i = 0; i < log->count; i++) {
            const struct event *event = &log->event[i];
            const bool has_child = !in_line && event->trace.event != FORKCALL_TRACE_START;
            assert_int_equal(event->trace.call, log->event[0].trace.call);
            assert_int_equal(event->trace.method, r.method);
            assert_int_equal(event->trace.pid, has_child ? r.pid : 0);
            assert_true(event->trace.fn == child_answers_42);
            assert_string_equal(event->name, "the answer");
            assert_int_equal(event->trace.start_ns, log->event[0].trace.time_ns);
            assert_in_range(event->trace.time_ns, last_ns, after_ns);
            last_ns = event->trace.time_ns;
            assert_int_equal(event->has_report, event->trace.event == FORKCALL_TRACE_END);
        }
        assert_memory_equal(&log->event[log->count - 1].report, &r, sizeof r);
    }
}

static void calls_that_fail_have_one_end_and_no_result_that_never_came(void **state)
{
    (void)state;
    const struct {
        forkcall_fn *fn;
        struct forkcall_options options;
        enum forkcall_status status;
        const char *events;
    } ways[] = {
        {child_fails_7, {0}, FORKCALL_FAILED, "SRr=E"},
        {child_kills_itself, {0}, FORKCALL_SIGNALED, "SRrE"},
        {exits_at_once, {0}, FORKCALL_EXITED, "SRrE"},
        {child_hangs, {.timeout_ms = 1}, FORKCALL_TIMED_OUT, NULL},
        {child_returns_0, {.timeout_ms = -1}, FORKCALL_NOT_STARTED, "SE"},
        {NULL, {0}, FORKCALL_NOT_STARTED, "SE"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct forkcall_options options = ways[i].options;
        if (ways[i].options.timeout_ms == 1)
            options.timeout_ms = short_timeout_ms();
        const struct log *log = trace_into_log();
        const struct forkcall_report r = run(ways[i].fn, NULL, options);
        forkcall_set_trace(NULL, NULL);
        assert_status(r, ways[i].status);
        if (ways[i].events != NULL)
            assert_string_equal(letters(log), ways[i].events);
        assert_true(log->count >= 2);
        assert_int_equal(log->event[0].trace.event, FORKCALL_TRACE_START);
        assert_int_equal(log->event[log->count - 1].trace.event, FORKCALL_TRACE_END);
        assert_int_equal(log->event[log->count - 1].report.status, r.status);
    }
}

struct waiter {
    struct forkcall_call *call;
    struct forkcall_report report;
};

static void *finishes(void *context)
{
    struct waiter *waiter = context;
    forkcall_wait(waiter->call, -1);
    waiter->report = forkcall_finish(waiter->call);
    return NULL;
}

static void events_come_in_the_thread_that_starts_waits_or_finishes(void **state)
{
    (void)state;
    struct waiter waiter;
    pthread_t thread;
    const struct log *log = trace_into_log();
    waiter.call = start(child_returns_0);
    assert_string_equal(letters(log), "SR");
    assert_int_equal(pthread_create(&thread, NULL, finishes, &waiter), 0);
    pthread_join(thread, NULL);
    forkcall_set_trace(NULL, NULL);
    assert_status(waiter.report, FORKCALL_OK);
    assert_string_equal(letters(log), "SRr=E");
    for (size_t i = 0; i < log->count; i++)
        assert_true(pthread_equal(log->event[i].thread, i < 2 ? pthread_self() : thread));
}

/* ---- Maps ------------------------------------------------------------------------------------ */

#define ITEMS 6

static void map_tells_of_each_item_or_of_each_process(void **state)
{
    (void)state;
    for (uint64_t items_per_child = 1; items_per_child <= ITEMS; items_per_child += ITEMS - 1) {
        size_t counts[6] = {0};
        struct forkcall_report reports[ITEMS];
        struct forkcall_map_options options = {.processes = 2, .items_per_child = items_per_child};
        options.call.method = tested_method();
        options.call.allow_unsafe_fork = true;
        options.call.timeout_ms = PLENTY_MS;
        const struct log *log = trace_into_log();
        const struct forkcall_report r = forkcall_map(child_returns_0, NULL, 0, ITEMS, NULL, reports, &options);
        forkcall_set_trace(NULL, NULL);
        assert_status(r, FORKCALL_OK);
        for (size_t i = 0; i < log->count; i++) {
            counts[log->event[i].trace.event]++;
            assert_true(log->event[i].trace.fn == child_returns_0);
        }
        assert_int_equal(counts[FORKCALL_TRACE_START], counts[FORKCALL_TRACE_END]);
        if (items_per_child == 1)
            assert_int_equal(counts[FORKCALL_TRACE_RESULT], ITEMS);
        else
            assert_in_range(counts[FORKCALL_TRACE_START], 1, 2);
        assert_false(log->strayed);
    }
}

/* ---- Callbacks that do more ------------------------------------------------------------------ */

struct caller {
    unsigned events, calls;
};

static void calls_itself(void *user, const struct forkcall_trace *trace)
{
    struct caller *caller = user;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)trace;
    caller->events++;
    const struct forkcall_report r = run(child_answers_42, &result, (struct forkcall_options){.timeout_ms = PLENTY_MS});
    caller->calls += r.status == FORKCALL_OK && *(int *)result.data == 42;
    forkcall_buf_free(&result);
}

static void callback_may_make_calls_which_are_not_traced(void **state)
{
    (void)state;
    struct caller caller = {0, 0};
    forkcall_set_trace(calls_itself, &caller);
    const struct forkcall_report r = run_plain(child_returns_0);
    forkcall_set_trace(NULL, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(caller.events, 5);
    assert_int_equal(caller.calls, 5);
}

static void unsets_itself(void *user, const struct forkcall_trace *trace)
{
    unsigned *events = user;
    ++*events;
    if (trace->event == FORKCALL_TRACE_READY)
        forkcall_set_trace(NULL, NULL);
}

static void callback_may_end_the_trace(void **state)
{
    (void)state;
    unsigned events = 0;
    forkcall_set_trace(unsets_itself, &events);
    for (int i = 0; i < 2; i++) {
        const struct forkcall_report r = run_plain(child_returns_0);
        assert_status(r, FORKCALL_OK);
    }
    assert_int_equal(events, 2);
}

static void call_that_was_told_to_another_trace_is_told_to_none(void **state)
{
    (void)state;
    const struct log *log = trace_into_log();
    struct forkcall_call *call = start(child_returns_0);
    trace_into_log();
    const struct forkcall_report r = forkcall_finish(call);
    forkcall_set_trace(NULL, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(log->count, 0);
}

static void closes_the_descriptors(void *user, const struct forkcall_trace *trace)
{
    if (trace->event == *(enum forkcall_trace_event *)user)
        for (int fd = 3; fd < 256; fd++)
            close(fd);
}

/* A daemon closes all that it finds, and may do so anywhere. */
static int host_that_closes_its_descriptors(void *context)
{
    CHECK(warm_up());
    forkcall_set_trace(closes_the_descriptors, context);
    struct forkcall_report r = run_plain(child_returns_0);
    const bool at_end = *(enum forkcall_trace_event *)context == FORKCALL_TRACE_END;
    CHECK(r.status == FORKCALL_OK || (!at_end && r.status == FORKCALL_LOST));
    forkcall_set_trace(NULL, NULL);
    r = run_plain(child_returns_0);
    CHECK(r.status == FORKCALL_OK);
    return 0;
}

static void callback_may_close_the_descriptors_of_the_call(void **state)
{
    (void)state;
    if (under_valgrind())
        SKIP("valgrind has descriptors of its own there");
    for (int event = FORKCALL_TRACE_START; event <= FORKCALL_TRACE_END; event++) {
        enum forkcall_trace_event when = (enum forkcall_trace_event)event;
        assert_int_equal(host_run(host_that_closes_its_descriptors, &when), 0);
    }
}

/* ---- Other processes ------------------------------------------------------------------------- */

static void notes_a_stranger(void *user, const struct forkcall_trace *trace)
{
    (void)trace;
    if (getpid() != *(pid_t *)user)
        atomic_store((atomic_int *)shared_memory(), 1);
}

static void counts(void *user, const struct forkcall_trace *trace)
{
    (void)trace;
    ++*(unsigned *)user;
}

static unsigned call_here(void)
{
    const struct forkcall_options options = {.method = FORKCALL_FORK, .allow_unsafe_fork = true};
    return forkcall_run(child_returns_0, NULL, 0, NULL, &options).status == FORKCALL_OK;
}

/* Returns 0 if its own trace, and no other, hears of its call. */
static int traces_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    unsigned events = 0;
    (void)args;
    (void)args_size;
    (void)result;
    if (!call_here())
        return 1;
    forkcall_set_trace(counts, &events);
    const unsigned worked = call_here();
    forkcall_set_trace(NULL, NULL);
    return worked && events == 5 ? 0 : 2;
}

static void no_fork_of_the_process_is_traced_until_it_says_so(void **state)
{
    (void)state;
    pid_t self = getpid();
    forkcall_set_trace(notes_a_stranger, &self);
    const struct forkcall_report r = run_plain(traces_itself);
    forkcall_set_trace(NULL, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(atomic_load((atomic_int *)shared_memory()), 0);
}

/* The process is forked by a thread of the host's while another is inside the callback. */
static atomic_int phase;

static void waits_for_the_fork(void *user, const struct forkcall_trace *trace)
{
    (void)user;
    (void)trace;
    atomic_store(&phase, 1);
    while (atomic_load(&phase) == 1)
        usleep(1000);
}

static void *calls_once(void *unused)
{
    const struct forkcall_options options = {.method = FORKCALL_INLINE};
    (void)unused;
    forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    return NULL;
}

static bool is_inside(void *unused)
{
    (void)unused;
    return atomic_load(&phase) == 1;
}

static int host_forks_during_a_callback(void *unused)
{
    unsigned events = 0;
    (void)unused;
    alarm((unsigned)DEADLINE_S); /* if it waits for a thread that it does not have */
    forkcall_set_trace(counts, &events);
    calls_once(NULL);
    forkcall_set_trace(NULL, NULL);
    return events == 4 ? 0 : 1;
}

static void fork_sets_a_trace_though_a_callback_ran_in_its_parent(void **state)
{
    (void)state;
    pthread_t thread;
    if (may_seem_threaded())
        SKIP("a fork of a threaded process, which the sanitizer does not allow");
    atomic_store(&phase, 0);
    forkcall_set_trace(waits_for_the_fork, NULL);
    assert_int_equal(pthread_create(&thread, NULL, calls_once, NULL), 0);
    const bool inside = wait_until(is_inside, NULL);
    const int r = host_run(host_forks_during_a_callback, NULL);
    atomic_store(&phase, 2);
    forkcall_set_trace(NULL, NULL);
    pthread_join(thread, NULL);
    assert_true(inside);
    assert_int_equal(r, 0);
}

static int forked_by_the_callback = -1; /* what fork() returned */

static void forks_once(void *unused, const struct forkcall_trace *trace)
{
    (void)unused;
    if (trace->event != FORKCALL_TRACE_START)
        return;
    forked_by_the_callback = fork();
    if (forked_by_the_callback == 0)
        forkcall_set_trace(NULL, NULL); /* takes the trace over from its parent */
}

static int host_forks_in_its_callback(void *unused)
{
    unsigned events = 0;
    int status = -1;
    (void)unused;
    alarm((unsigned)DEADLINE_S);
    forkcall_set_trace(forks_once, NULL);
    calls_once(NULL);
    if (forked_by_the_callback == 0) {
        alarm((unsigned)DEADLINE_S);
        for (int i = 0; i < 32; i++) /* one of them gets the number's counter again */
            forkcall_set_trace(counts, &events);
        calls_once(NULL);
        forkcall_set_trace(NULL, NULL);
        _exit(events == 4 ? 0 : 1);
    }
    forkcall_set_trace(NULL, NULL);
    CHECK(waitpid(forked_by_the_callback, &status, 0) == forked_by_the_callback);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

static void fork_that_a_callback_has_made_may_set_a_trace_there_and_later(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_forks_in_its_callback, NULL), 0);
}

/* ---- Threads --------------------------------------------------------------------------------- */

/* Set one after the other: the first callback waits, the second is only heard, and somebody is
 * inside the third all the time. */
static atomic_bool first_is_in, first_may_go, second_is_heard, second_has_returned, third_must_end;
static atomic_uint third_count;

static bool is_true(void *what)
{
    return atomic_load((atomic_bool *)what);
}

static void first_callback(void *user, const struct forkcall_trace *trace)
{
    (void)user;
    (void)trace;
    if (atomic_exchange(&first_is_in, true))
        return; /* a call of second_hears, before the second is set */
    while (!atomic_load(&first_may_go))
        usleep(1000);
}

static void second_callback(void *user, const struct forkcall_trace *trace)
{
    (void)user;
    (void)trace;
    atomic_store(&second_is_heard, true);
}

/* Returns when another thread has come in. */
static void third_callback(void *user, const struct forkcall_trace *trace)
{
    (void)user;
    (void)trace;
    const unsigned mine = atomic_fetch_add(&third_count, 1);
    while (atomic_load(&third_count) == mine + 1 && !atomic_load(&third_must_end))
        usleep(200);
}

static void *sets_the_second(void *unused)
{
    (void)unused;
    forkcall_set_trace(second_callback, NULL);
    atomic_store(&second_has_returned, true);
    return NULL;
}

static void *sets_the_third(void *unused)
{
    (void)unused;
    forkcall_set_trace(third_callback, NULL);
    return NULL;
}

static void *calls_until_the_third_ends(void *unused)
{
    while (!atomic_load(&third_must_end))
        calls_once(unused);
    return NULL;
}

static bool second_hears(void *unused)
{
    calls_once(unused);
    return atomic_load(&second_is_heard);
}

static bool third_runs(void *unused)
{
    (void)unused;
    return atomic_load(&third_count) > 4;
}

static void setter_waits_for_callbacks_of_earlier_traces_alone(void **state)
{
    pthread_t threads[5];
    (void)state;
    forkcall_set_trace(first_callback, NULL);
    assert_int_equal(pthread_create(&threads[0], NULL, calls_once, NULL), 0);
    bool right = wait_until(is_true, &first_is_in);
    assert_int_equal(pthread_create(&threads[1], NULL, sets_the_second, NULL), 0);
    right = wait_until(second_hears, NULL) && right;
    assert_int_equal(pthread_create(&threads[2], NULL, sets_the_third, NULL), 0);
    for (int i = 3; i < 5; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, calls_until_the_third_ends, NULL), 0);
    right = wait_until(third_runs, NULL) && right;
    const bool waits = !atomic_load(&second_has_returned);
    atomic_store(&first_may_go, true);
    const bool returns = wait_until(is_true, &second_has_returned);
    atomic_store(&third_must_end, true);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    forkcall_set_trace(NULL, NULL);
    assert_true(right);
    assert_true(waits);
    assert_true(returns);
}

#define THREADS 4
#define ROUNDS 50

struct counted {
    atomic_uint starts, ends;
    bool lives;
};

static atomic_bool has_ended;
static atomic_uint used_a_dead_one;

static void counts_in_memory_that_will_be_freed(void *user, const struct forkcall_trace *trace)
{
    struct counted *counted = user;
    if (!counted->lives)
        atomic_fetch_add(&used_a_dead_one, 1);
    if (trace->event == FORKCALL_TRACE_START)
        atomic_fetch_add(&counted->starts, 1);
    if (trace->event == FORKCALL_TRACE_END)
        atomic_fetch_add(&counted->ends, 1);
    usleep(100);
}

static void *calls_until_the_end(void *unused)
{
    struct forkcall_options options = {.method = FORKCALL_INLINE};
    (void)unused;
    for (unsigned i = 0; !atomic_load(&has_ended); i++) {
        if (!method_shares_memory())
            options.method = i % 8 == 7 ? tested_method() : FORKCALL_INLINE;
        forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    }
    return NULL;
}

static void user_of_a_trace_may_be_freed_when_another_is_set(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    unsigned heard = 0;
    atomic_store(&has_ended, false);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, calls_until_the_end, NULL), 0);
    struct counted *last = NULL;
    /* The first call of each thread may take longer than all the rounds. */
    for (int i = 0; i < ROUNDS || (heard == 0 && i < DEADLINE_S * 1000); i++) {
        struct counted *next = calloc(1, sizeof *next);
        assert_non_null(next);
        next->lives = true;
        forkcall_set_trace(counts_in_memory_that_will_be_freed, next);
        if (last != NULL) {
            heard += last->starts > 0;
            assert_true(last->ends <= last->starts);
            last->lives = false;
            free(last);
        }
        last = next;
        usleep(1000);
    }
    forkcall_set_trace(NULL, NULL);
    last->lives = false;
    free(last);
    atomic_store(&has_ended, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&used_a_dead_one), 0);
    assert_true(heard > 0);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(events_of_a_call_come_in_order_and_tell_what_is_known),
        TEST(calls_that_fail_have_one_end_and_no_result_that_never_came),
        TEST(events_come_in_the_thread_that_starts_waits_or_finishes),
        TEST(map_tells_of_each_item_or_of_each_process),
        TEST(callback_may_make_calls_which_are_not_traced),
        TEST(callback_may_end_the_trace),
        TEST(call_that_was_told_to_another_trace_is_told_to_none),
        TEST(callback_may_close_the_descriptors_of_the_call),
        TEST(no_fork_of_the_process_is_traced_until_it_says_so),
        TEST(fork_sets_a_trace_though_a_callback_ran_in_its_parent),
        TEST(fork_that_a_callback_has_made_may_set_a_trace_there_and_later),
        TEST(setter_waits_for_callbacks_of_earlier_traces_alone),
        TEST(user_of_a_trace_may_be_freed_when_another_is_set),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
