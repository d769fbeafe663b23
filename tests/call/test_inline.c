/* Tests FORKCALL_INLINE: the same function gives the same report in this process as in a child. */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct heard {
    int count;
    double done, total;
    char note[256];
    int cancel_at; /* number of the report at which it cancels; 0: never */
};

static int hear(void *user, double done, double total, const char *note)
{
    struct heard *heard = user;
    heard->count++;
    heard->done = done;
    heard->total = total;
    memcpy(heard->note, note, strlen(note) + 1);
    return heard->count == heard->cancel_at;
}

/* ---- Functions, each of which is run both ways ----------------------------------------------- */

static int child_fails_with_words(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    forkcall_buf_append(result, "partial", 7);
    return forkcall_fail(ENOENT, "no locale %s%d", "xx", 5);
}

static int child_fails_with_code_0(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return forkcall_fail(0, "nothing\twrong\n");
}

static int child_fails_then_returns_0(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    forkcall_fail(5, "changed its mind");
    return forkcall_buf_append(result, "fine", 4);
}

static int child_fails_twice(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    forkcall_fail(5, "the first, which is longer");
    forkcall_fail(6, "the second");
    return 7;
}

static int child_throws(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    forkcall_buf_append(result, "partial", 7);
    forkcall_throw(-3, "thrown %s", "far");
}

static int child_throws_0(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    forkcall_throw(0, "thrown");
}

static int child_says_32_KiB(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char *text = malloc(100000);
    (void)args;
    (void)args_size;
    (void)result;
    if (text == NULL)
        return 1;
    memset(text, 'm', 99999);
    text[99999] = '\0';
    const int r = forkcall_fail(3, "%s", text);
    free(text);
    return r;
}

static int child_answers_too_much(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char bytes[101] = {0};
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, bytes, sizeof bytes);
}

static int child_ignores_too_much(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char bytes[101] = {0};
    (void)args;
    (void)args_size;
    forkcall_buf_append(result, bytes, sizeof bytes);
    forkcall_buf_append(result, bytes, 1);
    return 0;
}

static int child_throws_after_too_much(const void *args, size_t args_size, struct forkcall_buf *result)
{
    child_ignores_too_much(args, args_size, result);
    forkcall_throw(9, "thrown over it");
}

static int child_throws_nothing_after_too_much(const void *args, size_t args_size, struct forkcall_buf *result)
{
    child_ignores_too_much(args, args_size, result);
    forkcall_throw(10, "%s", "");
}

static int child_fails_over_too_much(const void *args, size_t args_size, struct forkcall_buf *result)
{
    child_ignores_too_much(args, args_size, result);
    return forkcall_fail(EFBIG, "no room for %d", 1);
}

static int child_fails_and_then_answers_too_much(const void *args, size_t args_size, struct forkcall_buf *result)
{
    forkcall_fail(1, "not in the end");
    return child_ignores_too_much(args, args_size, result);
}

static int child_has_no_memory(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    forkcall_buf_truncate(result, 0);
    forkcall_buf_append(result, "x", 1);
    /* With the first byte the size is one more than any object can have. */
    (void)forkcall_buf_extend(result, PTRDIFF_MAX);
    return 0;
}

static int child_reports(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    for (int i = 1; i <= 5; i++)
        forkcall_progress(i, 5, "step");
    /* Not a number, because args_size is 0. */
    forkcall_progress(5, 0.0 / (double)args_size, "no number");
    return forkcall_buf_append(result, "done", 4);
}

/* ---- The same calls in this process and in a child ------------------------------------------- */

struct answer {
    struct forkcall_report report;
    struct forkcall_buf result, details;
    struct heard heard;
};

static struct answer ask(forkcall_fn *fn, enum forkcall_method method, int cancel_at)
{
    struct answer answer = {
        .result = FORKCALL_BUF_INIT, .details = FORKCALL_BUF_INIT, .heard = {.cancel_at = cancel_at}};
    struct forkcall_options options = {
        .method = method, .max_result = 100, .progress = hear, .allow_unsafe_fork = may_seem_threaded()};
    options.user = &answer.heard;
    options.details = &answer.details;
    if (fn == child_has_no_memory)
        options.max_result = 0;
    answer.report = forkcall_run(fn, NULL, 0, &answer.result, &options);
    assert_int_equal(answer.report.method, method);
    return answer;
}

static void assert_same_bytes(const struct forkcall_buf *a, const struct forkcall_buf *b)
{
    assert_int_equal(a->size, b->size);
    if (a->size > 0)
        assert_memory_equal(a->data, b->data, a->size);
}

static void assert_same_both_ways(forkcall_fn *fn, enum forkcall_status status, int code, int cancel_at)
{
    struct answer forked = ask(fn, FORKCALL_FORK, cancel_at);
    struct answer direct = ask(fn, FORKCALL_INLINE, cancel_at);
    assert_status(forked.report, status);
    assert_status(direct.report, status);
    assert_int_equal(forked.report.code, code);
    assert_int_equal(direct.report.code, code);
    assert_int_equal(forked.report.ran, FORKCALL_RAN_YES);
    assert_int_equal(direct.report.ran, FORKCALL_RAN_YES);
    assert_string_equal(forked.report.message, direct.report.message);
    assert_int_equal(direct.report.message[0] == '\0', status == FORKCALL_OK);
    assert_ptr_equal(direct.report.fn, fn);
    assert_int_equal(direct.report.pid, 0);
    assert_int_equal(direct.report.wait_status, -1);
    assert_same_bytes(&forked.result, &direct.result);
    assert_same_bytes(&forked.details, &direct.details);
    assert_int_equal(forked.heard.count, direct.heard.count);
    assert_string_equal(forked.heard.note, direct.heard.note);
    assert_true(forked.heard.done == direct.heard.done && forked.heard.total == direct.heard.total);
    forkcall_buf_free(&forked.result);
    forkcall_buf_free(&forked.details);
    forkcall_buf_free(&direct.result);
    forkcall_buf_free(&direct.details);
}

static void same_report_both_ways(void **state)
{
    (void)state;
    assert_same_both_ways(child_answers_42, FORKCALL_OK, 0, 0);
    assert_same_both_ways(child_returns_0, FORKCALL_OK, 0, 0);
    assert_same_both_ways(child_fails_7, FORKCALL_FAILED, 7, 0);
    assert_same_both_ways(child_fails_with_words, FORKCALL_FAILED, ENOENT, 0);
    assert_same_both_ways(child_fails_with_code_0, FORKCALL_FAILED, EINVAL, 0);
    assert_same_both_ways(child_fails_twice, FORKCALL_FAILED, 7, 0);
    assert_same_both_ways(child_throws, FORKCALL_FAILED, -3, 0);
    assert_same_both_ways(child_throws_0, FORKCALL_FAILED, EINVAL, 0);
    assert_same_both_ways(child_says_32_KiB, FORKCALL_FAILED, 3, 0);
    assert_same_both_ways(child_answers_too_much, FORKCALL_TOO_BIG, EFBIG, 0);
    assert_same_both_ways(child_ignores_too_much, FORKCALL_TOO_BIG, EFBIG, 0);
    assert_same_both_ways(child_throws_after_too_much, FORKCALL_FAILED, 9, 0);
    assert_same_both_ways(child_throws_nothing_after_too_much, FORKCALL_FAILED, 10, 0);
    assert_same_both_ways(child_fails_over_too_much, FORKCALL_FAILED, EFBIG, 0);
    assert_same_both_ways(child_fails_and_then_answers_too_much, FORKCALL_TOO_BIG, EFBIG, 0);
    assert_same_both_ways(child_has_no_memory, FORKCALL_FAILED, ENOMEM, 0);
    assert_same_both_ways(child_reports, FORKCALL_OK, 0, 0);
}

static void *reports_and_fails(void *unused)
{
    (void)unused;
    forkcall_progress(1, 2, "from a thread");
    forkcall_fail(1, "said by a thread");
    return NULL;
}

static int child_leaves_all_to_a_thread(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t thread;
    (void)args;
    (void)args_size;
    (void)result;
    if (pthread_create(&thread, NULL, reports_and_fails, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    forkcall_progress(2, 2, "after it");
    return 6;
}

static void other_threads_of_the_function_are_heard(void **state)
{
    (void)state;
    assert_same_both_ways(child_leaves_all_to_a_thread, FORKCALL_FAILED, 6, 0);
    struct answer direct = ask(child_leaves_all_to_a_thread, FORKCALL_INLINE, 0);
    assert_int_equal(direct.heard.count, 2);
    assert_string_equal(direct.report.message, "said by a thread");
    forkcall_buf_free(&direct.details);
    /* The report from the thread is the one that cancels. */
    direct = ask(child_leaves_all_to_a_thread, FORKCALL_INLINE, 1);
    assert_status(direct.report, FORKCALL_CANCELED);
    assert_int_equal(direct.heard.count, 1);
    forkcall_buf_free(&direct.details);
}

static void fail_then_return_0_is_success(void **state)
{
    (void)state;
    assert_same_both_ways(child_fails_then_returns_0, FORKCALL_OK, 0, 0);
}

static void progress_that_cancels_ends_the_function(void **state)
{
    (void)state;
    struct answer direct = ask(child_reports, FORKCALL_INLINE, 2);
    assert_status(direct.report, FORKCALL_CANCELED);
    assert_int_equal(direct.report.code, 0);
    assert_int_equal(direct.report.ran, FORKCALL_RAN_YES);
    assert_int_equal(direct.heard.count, 2);
    assert_int_equal(direct.result.size, 0);
    assert_string_not_equal(direct.report.message, "");
}

/* ---- What only FORKCALL_INLINE does ---------------------------------------------------------- */

static int calls; /* how often this process has run the function */

static int child_counts(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    const int mine = ++calls;
    if (forkcall_in_child())
        return 1;
    return forkcall_buf_append(result, &mine, sizeof mine);
}

static void inline_call_is_in_this_process(void **state)
{
    (void)state;
    const struct forkcall_options options = {.method = FORKCALL_INLINE};
    const struct traces before = traces_now();
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    calls = 0;
    struct forkcall_report report = forkcall_run(child_counts, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(calls, 1);
    struct forkcall_call *call;
    assert_int_equal(forkcall_start(&call, child_counts, NULL, 0, &result, &options), 0);
    assert_int_equal(calls, 2);
    /* Until forkcall_finish() the result stays the first answer. */
    assert_int_equal(*(int *)result.data, 1);
    assert_int_equal(forkcall_wait(call, 0), 1);
    assert_int_equal(forkcall_cancel(call), 0); /* too late to have an effect */
    report = forkcall_finish(call);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(*(int *)result.data, 2);
    assert_int_equal(report.pid, 0);
    forkcall_buf_free(&result);
    assert_no_traces(before, false);
}

/* Each level runs the next one both ways. What a level throws ends this level alone. */
static int child_nests(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int depth = *(const int *)args;
    (void)args_size;
    if (depth == 0)
        forkcall_throw(40, "the bottom");
    for (int i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = i == 0 ? FORKCALL_INLINE : FORKCALL_FORK,
                                                 .allow_unsafe_fork = may_seem_threaded()};
        const int next = depth - 1;
        struct forkcall_buf inner = FORKCALL_BUF_INIT;
        const struct forkcall_report report = forkcall_run(child_nests, &next, sizeof next, &inner, &options);
        forkcall_buf_free(&inner);
        if (report.status != FORKCALL_FAILED || report.code != 40 + next)
            return 1;
        if (next == 0 && strcmp(report.message, "the bottom") != 0)
            return 2;
        if (next > 0 && strcmp(report.message, "one up") != 0)
            return 3;
    }
    forkcall_buf_append(result, "dropped", 7);
    forkcall_throw(40 + depth, "one up");
}

static void nested_calls_both_ways(void **state)
{
    (void)state;
    static const enum forkcall_method methods[] = {FORKCALL_INLINE, FORKCALL_FORK};
    for (int i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = methods[i], .allow_unsafe_fork = may_seem_threaded()};
        const int depth = 3;
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report = forkcall_run(child_nests, &depth, sizeof depth, &result, &options);
        assert_status(report, FORKCALL_FAILED);
        assert_int_equal(report.code, 43);
        assert_string_equal(report.message, "one up");
        assert_int_equal(result.size, 0);
    }
}

static void functions_outside_any_call(void **state)
{
    (void)state;
    assert_int_equal(forkcall_fail(0, "nobody"), EINVAL);
    assert_int_equal(forkcall_fail(9, "hears %s", "this"), 9);
    forkcall_progress(1, 2, "nor this");
    assert_false(forkcall_in_child());
}

static int throw_host(void *unused)
{
    (void)unused;
    forkcall_throw(1, "outside");
}

static void throw_outside_any_call_aborts(void **state)
{
    (void)state;
    assert_int_equal(host_run(throw_host, NULL), 1000 + 6);
}

static int throw_from_a_callback(void *user, double done, double total, const char *note)
{
    (void)user;
    (void)done;
    (void)total;
    (void)note;
    forkcall_throw(1, "from a callback");
}

static int child_reports_once(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    forkcall_progress(1, 2, NULL);
    return 0;
}

static int throw_from_a_callback_host(void *unused)
{
    const struct forkcall_options inside = {.method = FORKCALL_INLINE, .progress = throw_from_a_callback};
    const struct forkcall_options outside = {.progress = throw_from_a_callback,
                                             .allow_unsafe_fork = may_seem_threaded()};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)unused;
    forkcall_run(child_reports_once, NULL, 0, &result, &inside);
    forkcall_run(child_reports_once, NULL, 0, &result, &outside);
    return 0;
}

/* The callback throws while an INLINE call waits for its function, which the callback has
 * interrupted. The throw must not be taken for one of this function. */
static int child_calls_and_the_callback_throws(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.progress = throw_from_a_callback,
                                             .allow_unsafe_fork = may_seem_threaded()};
    forkcall_run(child_reports_once, args, args_size, result, &options);
    return 0;
}

static int throw_from_the_callback_of_a_call_under_this_one_host(void *unused)
{
    const struct forkcall_options options = {.method = FORKCALL_INLINE};
    (void)unused;
    forkcall_run(child_calls_and_the_callback_throws, NULL, 0, NULL, &options);
    return 0;
}

static void throw_from_a_callback_aborts(void **state)
{
    (void)state;
    assert_int_equal(host_run(throw_from_a_callback_host, NULL), 1000 + 6);
    assert_int_equal(host_run(throw_from_the_callback_of_a_call_under_this_one_host, NULL), 1000 + 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_report_both_ways),          cmocka_unit_test(other_threads_of_the_function_are_heard),
        cmocka_unit_test(fail_then_return_0_is_success),  cmocka_unit_test(progress_that_cancels_ends_the_function),
        cmocka_unit_test(inline_call_is_in_this_process), cmocka_unit_test(nested_calls_both_ways),
        cmocka_unit_test(functions_outside_any_call),     cmocka_unit_test(throw_outside_any_call_aborts),
        cmocka_unit_test(throw_from_a_callback_aborts),
    };
    return cmocka_run_group_tests_name("inline", tests, NULL, NULL);
}
