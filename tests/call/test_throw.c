/* Tests what a function says about its own failure: a code and a message, thrown or returned, and
 * errors that it overlooks.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_MESSAGE 20000
#define MESSAGE_MAX_KEPT 65535U /* 64 KiB with the terminating 0 */
#define CODE 77
/* More bytes than any process can have. */
#define IMPOSSIBLE_SIZE (SIZE_MAX / 2 + 1)

/* AUTO stands for the tested method (run_tested), and INLINE needs no other process. */
static const enum forkcall_method both_methods[] = {FORKCALL_AUTO, FORKCALL_INLINE};

/* The answer and the details of a call by each method. */
struct outcome {
    struct forkcall_report report;
    struct forkcall_buf result, details;
};

static struct outcome run(enum forkcall_method method, forkcall_fn *fn, const void *args, size_t args_size,
                          size_t max_result)
{
    struct outcome outcome = {.result = FORKCALL_BUF_INIT, .details = FORKCALL_BUF_INIT};
    const struct forkcall_options options = {
        .method = method, .timeout_ms = DEADLINE_S * 1000, .max_result = max_result, .details = &outcome.details};
    outcome.report = run_tested(fn, args, args_size, &outcome.result, &options);
    return outcome;
}

static void release(struct outcome *outcome)
{
    forkcall_buf_free(&outcome->result);
    forkcall_buf_free(&outcome->details);
}

static void assert_text(const struct forkcall_buf *buf, const char *text)
{
    assert_int_equal(buf->size, strlen(text));
    assert_memory_equal(buf->data, text, buf->size);
}

/* ---- Codes ----------------------------------------------------------------------------------- */

static int returns_its_argument(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    forkcall_buf_append(result, "partial", 7);
    return *(const int *)args;
}

static void non_zero_return_is_a_failure_with_the_whole_code(void **state)
{
    static const int codes[] = {1, -1, 300, INT32_MAX, INT32_MIN};
    char expected[64];
    (void)state;
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
            struct outcome o = run(both_methods[m], returns_its_argument, &codes[i], sizeof codes[i], 0);
            assert_status(o.report, FORKCALL_FAILED);
            assert_int_equal(o.report.code, codes[i]);
            assert_int_equal(o.report.ran, FORKCALL_RAN_YES);
            assert_int_equal(o.result.size, 0);
            snprintf(expected, sizeof expected, "the function returned %d", codes[i]);
            assert_string_equal(o.report.message, expected);
            assert_int_equal(o.details.size, 0);
            release(&o);
        }
}

static int fails_with_its_argument(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    return forkcall_fail(*(const int *)args, "no locale %s", "xx_YY");
}

static void forkcall_fail_returns_its_code_and_0_becomes_EINVAL(void **state)
{
    static const int codes[][2] = {{ENOENT, ENOENT}, {0, EINVAL}, {-5, -5}};
    (void)state;
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
            struct outcome o = run(both_methods[m], fails_with_its_argument, &codes[i][0], sizeof codes[i][0], 0);
            assert_status(o.report, FORKCALL_FAILED);
            assert_int_equal(o.report.code, codes[i][1]);
            assert_string_equal(o.report.message, "no locale xx_YY");
            assert_text(&o.details, "no locale xx_YY");
            release(&o);
        }
}

static int fails_then_returns_0(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)forkcall_fail(EIO, "the first way did not work");
    return forkcall_buf_append(result, "ok", 2);
}

static void fail_then_return_0_is_success_without_a_message(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct outcome o = run(both_methods[m], fails_then_returns_0, NULL, 0, 0);
        assert_status(o.report, FORKCALL_OK);
        assert_int_equal(o.report.code, 0);
        assert_string_equal(o.report.message, "");
        assert_int_equal(o.details.size, 0);
        assert_text(&o.result, "ok");
        release(&o);
    }
}

static int fails_twice_then_returns_another_code(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    (void)forkcall_fail(EIO, "a first message, longer than the last");
    (void)forkcall_fail(EIO, "last %d", 2);
    return CODE;
}

static void last_message_and_returned_code_count(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct outcome o = run(both_methods[m], fails_twice_then_returns_another_code, NULL, 0, 0);
        assert_status(o.report, FORKCALL_FAILED);
        assert_int_equal(o.report.code, CODE);
        assert_string_equal(o.report.message, "last 2");
        assert_text(&o.details, "last 2");
        release(&o);
    }
}

/* ---- Throwing -------------------------------------------------------------------------------- */

static void dig(int depth);
/* A volatile pointer prevents a tail call, and a warning that the function never returns. */
static void (*volatile dig_further)(int) = dig;

static void dig(int depth)
{
    if (depth == 0)
        forkcall_throw(CODE, "thrown from depth");
    dig_further(depth - 1);
    raise(SIGKILL); /* never reached */
}

static int throws_from_depth(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    forkcall_buf_append(result, "partial", 7);
    dig(100);
    return 0;
}

static void throw_from_depth_ends_the_call(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct outcome o = run(both_methods[m], throws_from_depth, NULL, 0, 0);
        assert_status(o.report, FORKCALL_FAILED);
        assert_int_equal(o.report.code, CODE);
        assert_string_equal(o.report.message, "thrown from depth");
        assert_int_equal(o.result.size, 0);
        release(&o);
    }
}

static int throws_0(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    forkcall_throw(0, "zero");
}

static void throw_of_0_becomes_EINVAL(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct outcome o = run(both_methods[m], throws_0, NULL, 0, 0);
        assert_status(o.report, FORKCALL_FAILED);
        assert_int_equal(o.report.code, EINVAL);
        assert_string_equal(o.report.message, "zero");
        release(&o);
    }
}

static void *thread_that_throws(void *unused)
{
    (void)unused;
    forkcall_throw(CODE, "thrown by another thread");
}

static int waits_for_a_thread_that_throws(const void *args, size_t args_size, struct forkcall_buf *result)
{
    pthread_t thread;
    (void)args;
    (void)args_size;
    (void)result;
    if (pthread_create(&thread, NULL, thread_that_throws, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    return 2;
}

static void throw_from_another_thread_of_the_child_ends_the_call(void **state)
{
    (void)state;
    struct outcome o = run(FORKCALL_AUTO, waits_for_a_thread_that_throws, NULL, 0, 0);
    assert_status(o.report, FORKCALL_FAILED);
    assert_int_equal(o.report.code, CODE);
    assert_string_equal(o.report.message, "thrown by another thread");
    release(&o);
}

static int throw_under_inline_from_another_thread(void *unused)
{
    const struct forkcall_options options = {.method = FORKCALL_INLINE};
    (void)unused;
    forkcall_run(waits_for_a_thread_that_throws, NULL, FORKCALL_BY_POINTER, NULL, &options);
    return 0;
}

static int throw_without_a_call(void *unused)
{
    (void)unused;
    forkcall_throw(1, "nobody hears this");
}

static int throw_after_an_inline_call(void *unused)
{
    const struct forkcall_options options = {.method = FORKCALL_INLINE};
    (void)unused;
    CHECK(forkcall_run(throws_0, NULL, FORKCALL_BY_POINTER, NULL, &options).status == FORKCALL_FAILED);
    forkcall_throw(1, "the call is over");
}

static void throw_outside_any_call_aborts(void **state)
{
    (void)state;
    const int aborted = 1000 + SIGABRT;
    assert_int_equal(host_run(throw_without_a_call, NULL), aborted);
    assert_int_equal(host_run(throw_after_an_inline_call, NULL), aborted);
    assert_int_equal(host_run(throw_under_inline_from_another_thread, NULL), aborted);
}

/* Makes an INLINE call in a child. What is thrown in the inner call belongs to the inner call. */
static int calls_inline_and_throws_more(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.method = FORKCALL_INLINE};
    (void)args;
    (void)args_size;
    (void)result;
    const struct forkcall_report inner = forkcall_run(throws_from_depth, NULL, FORKCALL_BY_POINTER, NULL, &options);
    forkcall_throw(inner.code + 1, "outer after %s", inner.message);
}

static void throw_acts_on_the_innermost_call(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct outcome o = run(both_methods[m], calls_inline_and_throws_more, NULL, 0, 0);
        assert_status(o.report, FORKCALL_FAILED);
        assert_int_equal(o.report.code, CODE + 1);
        assert_string_equal(o.report.message, "outer after thrown from depth");
        release(&o);
    }
}

static void fail_and_progress_outside_any_call_do_nothing(void **state)
{
    (void)state;
    assert_int_equal(forkcall_fail(CODE, "nobody asks"), CODE);
    assert_int_equal(forkcall_fail(0, "nobody asks"), EINVAL);
    forkcall_progress(1, 2, "nobody asks");
    assert_false(forkcall_in_child());
    struct outcome o = run(FORKCALL_AUTO, child_fails_7, NULL, 0, 0);
    assert_string_equal(o.report.message, "the function returned 7");
    release(&o);
}

/* ---- Messages -------------------------------------------------------------------------------- */

static int throws_its_argument(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    forkcall_throw(1, "%s", (const char *)args);
}

static void assert_one_clean_line(const struct forkcall_report *report)
{
    const size_t length = strnlen(report->message, sizeof report->message);
    assert_true(length > 0 && length < sizeof report->message);
    for (size_t i = 0; i < length; i++)
        assert_true((unsigned char)report->message[i] >= ' ' && report->message[i] != 0x7f);
}

static void control_characters_stay_in_details_alone(void **state)
{
    static const char *const messages[] = {
        "first line\nsecond line\r\n\tthird\n",
        "\x1b[31mred\x1b[0m \x1b]0;title\a",
        "\b\b\b\x7f\v\fdel",
        "\n",
        "\x1b",
        "not \xff\xfe UTF-8 \xc3",
        "\xe2\x82\xac cut: \xe2\x82",
    };
    (void)state;
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
            struct outcome o = run(both_methods[m], throws_its_argument, messages[i], strlen(messages[i]) + 1, 0);
            assert_status(o.report, FORKCALL_FAILED);
            assert_one_clean_line(&o.report);
            assert_text(&o.details, messages[i]);
            release(&o);
        }
}

static void long_message_is_cut_in_the_report_and_whole_in_details(void **state)
{
    /* The euro sign has three bytes. With each shift the limit of the message falls on another byte
     * of a character. */
    static char text[LONG_MESSAGE + 4];
    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 <= LONG_MESSAGE; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        for (size_t m = 0; m < 2; m++) {
            struct outcome o = run(both_methods[m], throws_its_argument, text, strlen(text) + 1, 0);
            assert_status(o.report, FORKCALL_FAILED);
            const size_t length = strlen(o.report.message);
            assert_in_range(length, 250, 255);
            assert_int_equal((length - shift) % 3, 0);
            assert_memory_equal(o.report.message, text, length);
            assert_text(&o.details, text);
            release(&o);
        }
    }
}

static void message_is_cut_at_64_KiB(void **state)
{
    const size_t size = 1000000;
    char *text = malloc(size + 1);
    (void)state;
    assert_non_null(text);
    memset(text, 'm', size);
    text[size] = '\0';
    for (size_t m = 0; m < 2; m++) {
        struct outcome o = run(both_methods[m], throws_its_argument, text, strlen(text) + 1, 0);
        assert_status(o.report, FORKCALL_FAILED);
        assert_int_equal(o.details.size, MESSAGE_MAX_KEPT);
        assert_memory_equal(o.details.data, text, o.details.size);
        release(&o);
    }
    free(text);
}

/* Says characters of three bytes each. args: the number of other bytes before them. */
static int says_too_many_characters(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static char text[MESSAGE_MAX_KEPT + 1000];
    (void)args_size;
    (void)result;
    size_t n = *(const size_t *)args;
    memset(text, 'x', n);
    for (; n + 4 < sizeof text; n += 3)
        memcpy(text + n, "\xe2\x82\xac", sizeof "\xe2\x82\xac");
    return forkcall_fail(CODE, "%s", text);
}

static void message_that_is_cut_at_64_KiB_ends_with_a_character(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        struct outcome o = run(FORKCALL_AUTO, says_too_many_characters, &shift, sizeof shift, 0);
        assert_status(o.report, FORKCALL_FAILED);
        assert_in_range(o.details.size, MESSAGE_MAX_KEPT - 3, MESSAGE_MAX_KEPT);
        assert_int_equal((o.details.size - shift) % 3, 0);
        release(&o);
    }
}

/* ---- Errors that stick ----------------------------------------------------------------------- */

static int appends_6_and_ignores_the_error(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)forkcall_buf_append(result, "abcdef", 6);
    (void)forkcall_buf_append(result, "g", 1);
    return *(const int *)args;
}

static int appends_too_much_and_throws(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)forkcall_buf_append(result, "abcdefg", 7);
    forkcall_throw(CODE, "for another reason");
}

static void throw_counts_for_more_than_a_result_that_is_too_big(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct outcome o = run(both_methods[m], appends_too_much_and_throws, NULL, 0, 6);
        assert_status(o.report, FORKCALL_FAILED);
        assert_int_equal(o.report.code, CODE);
        assert_string_equal(o.report.message, "for another reason");
        release(&o);
    }
}

static void overlooked_append_past_max_result_is_TOO_BIG(void **state)
{
    static const int codes[] = {0, 5};
    (void)state;
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < 2; i++) {
            struct outcome o = run(both_methods[m], appends_6_and_ignores_the_error, &codes[i], sizeof codes[i], 6);
            assert_status(o.report, FORKCALL_TOO_BIG);
            assert_int_equal(o.report.code, EFBIG);
            assert_int_equal(o.result.size, 0);
            assert_string_equal(o.report.message, "the result is larger than 6 bytes");
            release(&o);
            o = run(both_methods[m], appends_6_and_ignores_the_error, &codes[0], sizeof codes[0], 7);
            assert_status(o.report, FORKCALL_OK);
            assert_text(&o.result, "abcdefg");
            release(&o);
        }
}

static int fails_and_thinks_better_of_it(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    forkcall_fail(CODE, "not in the end");
    return 0;
}

/* The details must be empty whether or not the caller wants the answer. */
static void success_leaves_nothing_in_details(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++)
        for (int wanted = 0; wanted < 2; wanted++) {
            struct forkcall_buf result = FORKCALL_BUF_INIT;
            struct forkcall_buf details = FORKCALL_BUF_INIT;
            const struct forkcall_options options = {.method = both_methods[m], .details = &details};
            const struct forkcall_report r =
                run_tested(fails_and_thinks_better_of_it, NULL, 0, wanted ? &result : NULL, &options);
            assert_status(r, FORKCALL_OK);
            assert_string_equal(r.message, "");
            assert_int_equal(details.size, 0);
            forkcall_buf_free(&result);
            forkcall_buf_free(&details);
        }
}

static int asks_for_too_much_memory(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int code = *(const int *)args;
    (void)args_size;
    forkcall_buf_append(result, "head", 4);
    if (forkcall_buf_extend(result, IMPOSSIBLE_SIZE) != NULL)
        raise(SIGKILL);
    if (code == CODE) /* clears the error */
        return forkcall_buf_truncate(result, 2);
    return code;
}

static void overlooked_lack_of_memory_is_FAILED_with_ENOMEM(void **state)
{
    static const int codes[] = {0, 5, CODE};
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct outcome o = run(both_methods[m], asks_for_too_much_memory, &codes[0], sizeof codes[0], 0);
        assert_status(o.report, FORKCALL_FAILED);
        assert_int_equal(o.report.code, ENOMEM);
        assert_int_equal(o.result.size, 0);
        assert_true(o.report.message[0] != '\0');
        release(&o);
        o = run(both_methods[m], asks_for_too_much_memory, &codes[1], sizeof codes[1], 0);
        assert_status(o.report, FORKCALL_FAILED);
        assert_int_equal(o.report.code, 5);
        release(&o);
    }
}

static void truncate_forgives_an_error(void **state)
{
    static const int code = CODE;
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct outcome o = run(both_methods[m], asks_for_too_much_memory, &code, sizeof code, 0);
        assert_status(o.report, FORKCALL_OK);
        assert_text(&o.result, "he");
        release(&o);
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(non_zero_return_is_a_failure_with_the_whole_code),
        cmocka_unit_test(forkcall_fail_returns_its_code_and_0_becomes_EINVAL),
        cmocka_unit_test(fail_then_return_0_is_success_without_a_message),
        cmocka_unit_test(last_message_and_returned_code_count),
        cmocka_unit_test(throw_from_depth_ends_the_call),
        cmocka_unit_test(throw_of_0_becomes_EINVAL),
        cmocka_unit_test(throw_from_another_thread_of_the_child_ends_the_call),
        cmocka_unit_test(throw_outside_any_call_aborts),
        cmocka_unit_test(throw_acts_on_the_innermost_call),
        cmocka_unit_test(fail_and_progress_outside_any_call_do_nothing),
        cmocka_unit_test(control_characters_stay_in_details_alone),
        cmocka_unit_test(long_message_is_cut_in_the_report_and_whole_in_details),
        cmocka_unit_test(message_is_cut_at_64_KiB),
        cmocka_unit_test(message_that_is_cut_at_64_KiB_ends_with_a_character),
        cmocka_unit_test(throw_counts_for_more_than_a_result_that_is_too_big),
        cmocka_unit_test(overlooked_append_past_max_result_is_TOO_BIG),
        cmocka_unit_test(success_leaves_nothing_in_details),
        cmocka_unit_test(overlooked_lack_of_memory_is_FAILED_with_ENOMEM),
        cmocka_unit_test(truncate_forgives_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
