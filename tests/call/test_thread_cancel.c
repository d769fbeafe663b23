/* Tests pthread_cancel(3): it takes effect after a function of the library, also in a child. A
 * thread that was canceled leaves no lock taken, and nothing else behind. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Starts a thread, and waits for its end. False: it cannot be started. */
static bool run_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, body, argument) == 0 && pthread_join(thread, NULL) == 0;
}

/* Waits until another thread has set the flag, and some time longer: then that one waits, too. */
static void wait_for_flag(atomic_bool *flag)
{
    while (!*flag)
        (void)usleep(1000);
    (void)usleep(20000);
}

/* ---- In the host ----------------------------------------------------------------------------- */

/* What a canceled thread uses, and whether it came to the end of that. */
struct use {
    struct forkcall_report report;
    struct forkcall_buf buf;
    bool is_done;
};

static void *asks_for_hazards(void *context)
{
    struct use *use = context;
    pthread_cancel(pthread_self());
    forkcall_hazards();
    use->is_done = true;
    return NULL;
}

static void *explains(void *context)
{
    struct use *use = context;
    char text[1000];
    pthread_cancel(pthread_self());
    forkcall_explain(&use->report, text, sizeof text);
    use->is_done = true;
    return NULL;
}

static void *frees(void *context)
{
    struct use *use = context;
    pthread_cancel(pthread_self());
    forkcall_buf_free(&use->buf);
    use->is_done = true;
    return NULL;
}

static void *reports_in_a_call(void *context)
{
    (void)context;
    pthread_cancel(pthread_self());
    forkcall_progress(1, 2, "a thread");
    return NULL;
}

static int use_in_canceled_thread(void *body)
{
    struct use use = {.buf = forkcall_buf_shared(1000)};
    void *(*const *const of_thread)(void *) = body;
    const int n = 1;
    CHECK(warm_up());
    const struct traces before = traces_now();
    use.report = run_tested(child_fails_7, NULL, 0, NULL, NULL);
    CHECK(use.report.status == FORKCALL_FAILED);
    CHECK(run_tested(child_echoes, &n, sizeof n, &use.buf, NULL).status == FORKCALL_OK);
    CHECK(run_thread(*of_thread, &use));
    CHECK(use.is_done);
    /* An emulator has threads of its own once the program had one. */
    const struct forkcall_options next = {.allow_unsafe_fork = under_emulator(), .timeout_ms = PLENTY_MS};
    CHECK(run_tested(child_returns_0, NULL, 0, NULL, &next).status == FORKCALL_OK);
    forkcall_buf_free(&use.buf);
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors && after.children == before.children);
    return 0;
}

static void a_canceled_thread_that_asks_for_hazards_leaves_no_lock(void **state)
{
    void *(*body)(void *) = asks_for_hazards;
    (void)state;
    assert_int_equal(host_run(use_in_canceled_thread, &body), 0);
}

static void a_canceled_thread_that_explains_leaves_no_lock(void **state)
{
    void *(*body)(void *) = explains;
    (void)state;
    assert_int_equal(host_run(use_in_canceled_thread, &body), 0);
}

static void a_canceled_thread_frees_a_buffer_whole(void **state)
{
    void *(*body)(void *) = frees;
    (void)state;
    assert_int_equal(host_run(use_in_canceled_thread, &body), 0);
}

/* ---- Trace ----------------------------------------------------------------------------------- */

static atomic_bool is_told, is_replaced;

/* Lasts until another thread is about to replace it, and some time longer. */
static void is_told_slowly(void *unused, const struct forkcall_trace *trace)
{
    (void)unused;
    if (trace->event != FORKCALL_TRACE_START)
        return;
    is_told = true;
    wait_for_flag(&is_replaced);
}

static void *replaces_the_trace(void *context)
{
    struct use *use = context;
    wait_for_flag(&is_told);
    pthread_cancel(pthread_self());
    is_replaced = true;
    forkcall_set_trace(NULL, NULL);
    use->is_done = true;
    return NULL;
}

static int replace_the_trace(void *unused)
{
    const struct forkcall_options options = {.method = FORKCALL_INLINE};
    struct use use = {.is_done = false};
    pthread_t thread;
    (void)unused;
    forkcall_set_trace(is_told_slowly, NULL);
    CHECK(pthread_create(&thread, NULL, replaces_the_trace, &use) == 0);
    CHECK(forkcall_run(child_returns_0, NULL, 0, NULL, &options).status == FORKCALL_OK);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(use.is_done);
    return 0;
}

static void a_canceled_thread_waits_for_an_earlier_trace(void **state)
{
    (void)state;
    assert_int_equal(host_run(replace_the_trace, NULL), 0);
}

/* ---- Progress -------------------------------------------------------------------------------- */

static int hear(void *heard, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    ++*(int *)heard;
    (void)usleep(1); /* where a thread could be canceled */
    return 0;
}

/* ---- In a child ------------------------------------------------------------------------------ */

enum act { RETURNS, PRINTS, FAILS, REPORTS, THROWS, EXITS };

static void *throws(void *unused)
{
    pthread_cancel(pthread_self());
    forkcall_throw(4, "thrown");
    return unused;
}

static void *exits(void *unused)
{
    pthread_cancel(pthread_self());
    exit(5); // NOLINT(concurrency-mt-unsafe): no other thread calls it
    return unused;
}

static int child_acts(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const enum act act = *(const enum act *)args;
    (void)args_size;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    switch (act) {
    case PRINTS:
        printf("of a canceled thread\n");
        /* fall through */
    case RETURNS:
        pthread_cancel(pthread_self());
        break;
    case FAILS:
        pthread_cancel(pthread_self());
        return forkcall_fail(7, "seven");
    case REPORTS:
        if (!run_thread(reports_in_a_call, NULL))
            return 1;
        forkcall_progress(2, 2, "the function");
        break;
    case THROWS:
        return run_thread(throws, NULL) ? 2 : 1;
    case EXITS:
        return run_thread(exits, NULL) ? 2 : 1;
    }
    return forkcall_buf_append(result, &act, sizeof act);
}

static struct forkcall_report act(enum act act, void *heard)
{
    /* No stream is captured or redirected: the child may be used again. */
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS, .progress = hear, .user = heard};
    return run_tested(child_acts, &act, sizeof act, NULL, &options);
}

static void a_canceled_function_that_returns_has_returned(void **state)
{
    int heard = 0;
    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct forkcall_report returned = act(RETURNS, &heard);
        assert_status(returned, FORKCALL_OK);
        const struct forkcall_report next = run_tested(child_returns_0, NULL, 0, NULL, NULL);
        assert_status(next, FORKCALL_OK);
    }
    const struct forkcall_report printed = act(PRINTS, &heard);
    assert_status(printed, FORKCALL_OK);
    const struct forkcall_report failed = act(FAILS, &heard);
    assert_status(failed, FORKCALL_FAILED);
    assert_int_equal(failed.code, 7);
    assert_string_equal(failed.message, "seven");
}

static void a_canceled_thread_reports_and_lets_others_report(void **state)
{
    int heard = 0;
    (void)state;
    const struct forkcall_report report = act(REPORTS, &heard);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(heard, 2);
}

static void a_canceled_thread_ends_the_call(void **state)
{
    int heard = 0;
    (void)state;
    const struct forkcall_report thrown = act(THROWS, &heard);
    assert_status(thrown, FORKCALL_FAILED);
    assert_int_equal(thrown.code, 4);
    const struct forkcall_report exited = act(EXITS, &heard);
    assert_status(exited, FORKCALL_EXITED);
    assert_true(exited.code == 5 || exited.code == -1); /* -1: the C library does not tell it */
}

/* ---- By INLINE ------------------------------------------------------------------------------- */

static int report_inline(void *unused)
{
    const enum act reports = REPORTS;
    int heard = 0;
    const struct forkcall_options options = {.method = FORKCALL_INLINE, .progress = hear, .user = &heard};
    (void)unused;
    CHECK(forkcall_run(child_acts, &reports, sizeof reports, NULL, &options).status == FORKCALL_OK);
    CHECK(heard == 2);
    return 0;
}

static atomic_bool is_heard, is_failing;

static int hear_slowly(void *unused, double done, double total, const char *note)
{
    (void)unused;
    (void)done;
    (void)total;
    (void)note;
    is_heard = true;
    wait_for_flag(&is_failing);
    return 0;
}

static void *reports(void *unused)
{
    forkcall_progress(1, 2, "another thread");
    return unused;
}

/* The message waits for the callback of the other thread. */
static void *fails(void *unused)
{
    wait_for_flag(&is_heard);
    pthread_cancel(pthread_self());
    is_failing = true;
    forkcall_fail(3, "in vain");
    return unused;
}

static int reports_and_fails(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t reporter, failer;
    (void)args;
    (void)args_size;
    (void)result;
    const bool runs = pthread_create(&reporter, NULL, reports, NULL) == 0 &&
                      pthread_create(&failer, NULL, fails, NULL) == 0 && pthread_join(reporter, NULL) == 0 &&
                      pthread_join(failer, NULL) == 0;
    return runs ? 0 : 1;
}

static int fail_inline(void *unused)
{
    const struct forkcall_options options = {.method = FORKCALL_INLINE, .progress = hear_slowly};
    (void)unused;
    CHECK(forkcall_run(reports_and_fails, NULL, 0, NULL, &options).status == FORKCALL_OK);
    return 0;
}

static void a_canceled_thread_of_an_inline_call_lets_it_end(void **state)
{
    (void)state;
    assert_int_equal(host_run(report_inline, NULL), 0);
    assert_int_equal(host_run(fail_inline, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_canceled_thread_that_asks_for_hazards_leaves_no_lock),
        cmocka_unit_test(a_canceled_thread_that_explains_leaves_no_lock),
        cmocka_unit_test(a_canceled_thread_frees_a_buffer_whole),
        cmocka_unit_test(a_canceled_thread_waits_for_an_earlier_trace),
        cmocka_unit_test(a_canceled_function_that_returns_has_returned),
        cmocka_unit_test(a_canceled_thread_reports_and_lets_others_report),
        cmocka_unit_test(a_canceled_thread_ends_the_call),
        cmocka_unit_test(a_canceled_thread_of_an_inline_call_lets_it_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
