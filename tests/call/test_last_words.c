/* Tests that an explanation ends with the last lines that the child has written to a captured
 * standard_error: cleaned, a few, marked as the child's, and never those of another call. */
#include "children.h"
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int child_speaks_and_fails(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)result;
    if (write(STDERR_FILENO, args, args_size) != (ssize_t)args_size)
        return 2;
    return 7;
}

static struct forkcall_report speak(const char *words, const struct forkcall_options *options)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = run_tested(child_speaks_and_fails, words, strlen(words), &result, options);
    forkcall_buf_free(&result);
    assert_status(report, FORKCALL_FAILED);
    assert_int_equal(report.code, 7);
    return report;
}

static int drop(void *user, int stream, const char *data, size_t size)
{
    (void)user;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static struct forkcall_options captured = {/* timeout_ms is set in main() */
                                           .standard_error = FORKCALL_STREAM_CAPTURE,
                                           .output = drop};
static const char mark[] = "\nThe child's last words on standard_error:";

static void assert_explained(const struct forkcall_report *report, const char *end)
{
    char text[8192];
    char expected[8192];
    assert_in_range(forkcall_explain(report, text, sizeof text), 1, sizeof text - 1);
    const char *words = strstr(text, mark);
    (void)snprintf(expected, sizeof expected, "%s%s", mark, end);
    assert_non_null(words);
    assert_string_equal(words, expected);
}

static void assert_not_explained(const struct forkcall_report *report)
{
    char text[8192];
    assert_in_range(forkcall_explain(report, text, sizeof text), 1, sizeof text - 1);
    assert_null(strstr(text, mark));
}

static void last_lines_stand_in_the_explanation(void **state)
{
    (void)state;
    const struct forkcall_report two = speak("first\nno locale\n", &captured);
    assert_explained(&two, "\n  | first\n  | no locale");
    const struct forkcall_report one = speak("no line feed", &captured);
    assert_explained(&one, "\n  | no line feed");
    const struct forkcall_options joined = {.timeout_ms = PLENTY_MS,
                                            .standard_output = FORKCALL_STREAM_CAPTURE,
                                            .standard_error = FORKCALL_STREAM_JOIN,
                                            .output = drop};
    const struct forkcall_report both = speak("joined\n", &joined);
    assert_explained(&both, "\n  | joined");
}

static void lines_are_few_short_and_clean(void **state)
{
    char many[4096] = "";
    char end[64] = "";
    (void)state;
    for (int i = 0; i < 100; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "line %d\n", i);
    const struct forkcall_report report = speak(many, &captured);
    assert_explained(&report, "\n  | line 94\n  | line 95\n  | line 96\n  | line 97\n  | line 98\n  | line 99");
    const struct forkcall_report dirty = speak("a\033[2Jb\r\n\xff\n", &captured);
    assert_explained(&dirty, "\n  | a [2Jb\n  | ?");
    memset(many, 'x', 3000);
    many[3000] = 0;
    const struct forkcall_report wide = speak(many, &captured);
    char text[8192];
    forkcall_explain(&wide, text, sizeof text);
    (void)snprintf(end, sizeof end, "%s\n  | ", mark);
    assert_in_range(strlen(strstr(text, end) + strlen(end)), 100, 200);
}

static void nothing_is_told_where_nothing_was_captured(void **state)
{
    const struct forkcall_options nowhere = {.timeout_ms = PLENTY_MS, .standard_error = FORKCALL_STREAM_NULL};
    (void)state;
    const struct forkcall_report unheard = speak("unheard\n", &nowhere);
    assert_not_explained(&unheard);
    const struct forkcall_report silent = speak("\n\n", &captured);
    assert_not_explained(&silent);
}

/* The words are kept beside the reports, for the last calls that have failed. */
static void words_of_one_call_are_not_told_as_those_of_another(void **state)
{
    struct forkcall_report reports[20];
    (void)state;
    for (int i = 0; i < 20; i++) {
        char words[16];
        (void)snprintf(words, sizeof words, "call %d", i);
        reports[i] = speak(words, &captured);
    }
    for (int i = 0; i < 20; i++) {
        char words[32];
        (void)snprintf(words, sizeof words, "\n  | call %d", i);
        if (i < 4)
            assert_not_explained(&reports[i]);
        else
            assert_explained(&reports[i], words);
    }
}

static int child_speaks_of_its_item(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int item = *(const int *)args;
    (void)args_size;
    (void)result;
    dprintf(STDERR_FILENO, "item %d\n", item);
    return item % 2 == 0 ? 0 : 7;
}

static int drop_item(void *user, size_t index, int stream, const char *data, size_t size)
{
    (void)index;
    return drop(user, stream, data, size);
}

/* One process runs them all. */
static void words_of_one_item_are_not_told_as_those_of_another(void **state)
{
    static const int items[] = {0, 1, 2, 3};
    struct forkcall_report reports[4];
    struct forkcall_buf details[4];
    (void)state;
    memset(details, 0, sizeof details);
    for (int with_details = 0; with_details < 2; with_details++) {
        const struct forkcall_map_options options = {.call = {.method = tested_method(),
                                                              .allow_unsafe_fork = under_sanitizer(),
                                                              .timeout_ms = PLENTY_MS,
                                                              .standard_error = FORKCALL_STREAM_CAPTURE},
                                                     .processes = 1,
                                                     .output = drop_item,
                                                     .details = with_details != 0 ? details : NULL,
                                                     .items_per_child = 100};
        forkcall_map(child_speaks_of_its_item, items, sizeof *items, 4, NULL, reports, &options);
        for (int i = 1; i < 4; i += 2) {
            char words[32];
            (void)snprintf(words, sizeof words, "\n  | item %d", i);
            assert_status(reports[i], FORKCALL_FAILED);
            assert_explained(&reports[i], words);
        }
    }
    for (int i = 0; i < 4; i++)
        forkcall_buf_free(&details[i]);
}

int main(void)
{
    forkcall_init();
    captured.timeout_ms = PLENTY_MS;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_lines_stand_in_the_explanation),
        cmocka_unit_test(lines_are_few_short_and_clean),
        cmocka_unit_test(nothing_is_told_where_nothing_was_captured),
        cmocka_unit_test(words_of_one_call_are_not_told_as_those_of_another),
        cmocka_unit_test(words_of_one_item_are_not_told_as_those_of_another),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
