/* Tests what is made of the facts about tools that watch a child. No tool is needed. */
#include "support.h"

#include "base/tools.h"
#include "call/outcome.h"

#include <signal.h>
#include <string.h>

static struct fc_reply reply;
static struct fc_ending ending;
static struct forkcall_options options;
static struct fc_facts facts;
static struct forkcall_report report;

static int begin_anew(void **state)
{
    (void)state;
    memset(&reply, 0, sizeof reply);
    memset(&report, 0, sizeof report);
    ending = (struct fc_ending){.wait_status = -1};
    facts = (struct fc_facts){.options = &options,
                              .reply = &reply,
                              .ending = &ending,
                              .method = FORKCALL_FORK,
                              .max_result = 1000,
                              .shares_addresses = true};
    reply.started = true;
    return 0;
}

static void ends_by(int wait_status)
{
    ending.status_known = true;
    ending.wait_status = wait_status;
}

static void says(enum fc_end end, int code, unsigned tools)
{
    reply.done = true;
    reply.trailer = (struct fc_trailer){.end = (uint32_t)end, .code = code, .tools = (uint16_t)tools};
}

static bool has_hint(void)
{
    const enum fc_decided_by by = fc_outcome_decide(&facts, &report);
    report.hints = (uint16_t)fc_outcome_tool_hint(&facts, by, &report);
    report.message[0] = '\0';
    fc_outcome_describe(&facts, by, &report);
    return report.hints == FORKCALL_HINT_TOOL;
}

/* As programs have it that may be built with the sanitizer or without. */
const char *__ubsan_default_options(void); // NOLINT: the sanitizer's own name
const char *__ubsan_default_options(void)  // NOLINT
{
    return "";
}

/* Another sanitizer brings that one along. */
static void options_for_a_sanitizer_do_not_make_one(void **state)
{
    (void)state;
    assert_int_equal(fc_tools() & FC_TOOL_UNDEFINED, 0);
}

static void end_that_the_library_makes_is_no_finding(void **state)
{
    static const struct {
        enum fc_end end;
        int code, wait_status;
    } ends[] = {{FC_END_RETURNED, 0, 0},          {FC_END_RETURNED, 7, 1 << 8},       {FC_END_EXITED, 3, 3 << 8},
                {FC_END_EXITED, 256 + 4, 4 << 8}, {FC_END_THREAD_EXIT, 0, 0},         {FC_END_TOO_BIG, 7, 1 << 8},
                {FC_END_NO_MEMORY, 7, 1 << 8},    {FC_END_EXITED_UNKNOWN, -1, 1 << 8}};
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        says(ends[i].end, ends[i].code, FC_TOOLS_CHECKING);
        ends_by(ends[i].wait_status);
        assert_false(has_hint());
        ends_by(66 << 8);
        assert_true(has_hint());
    }
}

static void other_end_is_told_with_the_name_of_the_tool(void **state)
{
    (void)state;
    says(FC_END_RETURNED, 0, FC_TOOL_THREAD);
    ends_by(66 << 8);
    assert_true(has_hint());
    assert_status(report, FORKCALL_OK);
    assert_non_null(strstr(report.message, "exit status 66"));
    assert_non_null(strstr(report.message, "ThreadSanitizer"));
    ends_by(SIGABRT);
    assert_true(has_hint());
    assert_non_null(strstr(report.message, "SIGABRT"));
}

static void nothing_is_said_of_a_child_without_tools(void **state)
{
    (void)state;
    says(FC_END_RETURNED, 0, 0);
    ends_by(66 << 8);
    assert_false(has_hint());
    assert_string_equal(report.message, "");
    says(FC_END_RETURNED, 0, FC_TOOL_COVERAGE);
    assert_false(has_hint());
}

static void end_that_nobody_has_seen_is_no_finding(void **state)
{
    (void)state;
    says(FC_END_RETURNED, 0, FC_TOOL_THREAD);
    assert_false(has_hint());
    says(FC_END_RETURNED, 0, FC_TOOL_VALGRIND | FC_TOOL_HAS_FOUND);
    assert_true(has_hint());
    assert_non_null(strstr(report.message, "valgrind has found an error"));
}

static void exit_before_the_answer_may_be_the_sanitizer(void **state)
{
    (void)state;
    facts.tools = FC_TOOL_ADDRESS | FC_TOOL_LEAK;
    ends_by(1 << 8);
    assert_true(has_hint());
    assert_status(report, FORKCALL_EXITED);
    assert_non_null(strstr(report.message, "perhaps AddressSanitizer has found an error"));
    ends_by(0);
    assert_false(has_hint());
    facts.tools = 0;
    ends_by(1 << 8);
    assert_false(has_hint());
    assert_null(strstr(report.message, "perhaps"));
}

static void abort_before_the_answer_may_be_the_sanitizer(void **state)
{
    (void)state;
    facts.tools = FC_TOOL_ADDRESS | FC_TOOL_LEAK;
    ends_by(SIGABRT);
    assert_true(has_hint());
    assert_status(report, FORKCALL_SIGNALED);
    ends_by(SIGKILL);
    assert_false(has_hint());
    facts.tools = FC_TOOL_UNDEFINED | FC_TOOL_VALGRIND;
    ends_by(SIGABRT);
    assert_false(has_hint());
}

static void line_of_a_report_is_found_in_standard_error(void **state)
{
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"", NULL},
        {"nothing\n", NULL},
        {"Sanitizer", NULL},
        {"Sanitizer:", NULL},
        {"SUMMARY: AddressSanitizer: x", "SUMMARY: AddressSanitizer: x"},
        {"a\nSUMMARY: AddressSanitizer: x\nb\n", "SUMMARY: AddressSanitizer: x"},
        {"==1==ERROR: AddressSanitizer: x\n\nSUMMARY: AddressSanitizer: y\n", "SUMMARY: AddressSanitizer: y"},
        {"a.c:1:2: runtime error: x\nSUMMARY: UndefinedBehaviorSanitizer: y\n", "a.c:1:2: runtime error: x"},
        {"a.c:1:2: runtime error: x\nb.c:3:4: runtime error: y\n\n", "b.c:3:4: runtime error: y"},
        {"SUMMARY: ThreadSanitizer: x\na.c:10:20: runtime error: y", "a.c:10:20: runtime error: y"},
        {"==12==WARNING: MemorySanitizer: x\n", "==12==WARNING: MemorySanitizer: x"},
        {"==12==LeakSanitizer: x\n", "==12==LeakSanitizer: x"},
        /* What other programs say. */
        {": runtime error: ", NULL},
        {"panic: runtime error: index out of range\n", NULL},
        {"script.lua:3: runtime error: x\n", NULL},
        {"at :1:: runtime error: x\n", NULL},
        {"1:\n2:3: runtime error: x\n:4\n:5: runtime error: y\n", NULL},
        {"HtmlSanitizer: removed\n", NULL},
        {"AddressSanitizer: removed\n", NULL},
        {"SUMMARY: HtmlSanitizer: removed\n", NULL},
        {"the SUMMARY: AddressSanitizer: x\n", NULL},
        {"==ERROR: AddressSanitizer: x\n", NULL},
        {"==1=", NULL},
        {"a.c:1:2: runtime error:", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = 0;
        const char *line = fc_tools_find_report(cases[i].text, strlen(cases[i].text), &size);
        if (cases[i].line == NULL) {
            assert_null(line);
            continue;
        }
        assert_non_null(line);
        assert_int_equal(size, strlen(cases[i].line));
        assert_memory_equal(line, cases[i].line, size);
    }
    assert_null(fc_tools_find_report(NULL, 0, &(size_t){0}));
}

static void line_of_a_report_is_the_message(void **state)
{
    (void)state;
    says(FC_END_RETURNED, 0, FC_TOOL_UNDEFINED);
    facts.tool_line = "a.c:1:2: runtime error: overflow";
    facts.tool_line_size = strlen(facts.tool_line);
    assert_true(has_hint());
    assert_string_equal(report.message, "a.c:1:2: runtime error: overflow");
    reply.done = false;
    ends_by(1 << 8);
    assert_true(has_hint());
    assert_non_null(strstr(report.message, "before the function returned: a.c:1:2: runtime error: overflow"));
}

static void names_are_those_of_the_tools(void **state)
{
    char name[80];
    (void)state;
    assert_string_equal(fc_tools_name(0, name, sizeof name), "a tool");
    assert_string_equal(fc_tools_name(FC_TOOL_ADDRESS | FC_TOOL_LEAK, name, sizeof name), "AddressSanitizer");
    assert_string_equal(fc_tools_name(FC_TOOL_LEAK, name, sizeof name), "LeakSanitizer");
    assert_string_equal(fc_tools_name(FC_TOOL_ADDRESS | FC_TOOL_UNDEFINED, name, sizeof name),
                        "AddressSanitizer or UndefinedBehaviorSanitizer");
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, begin_anew)
    const struct CMUnitTest tests[] = {
        TEST(options_for_a_sanitizer_do_not_make_one),
        TEST(end_that_the_library_makes_is_no_finding),
        TEST(other_end_is_told_with_the_name_of_the_tool),
        TEST(nothing_is_said_of_a_child_without_tools),
        TEST(end_that_nobody_has_seen_is_no_finding),
        TEST(exit_before_the_answer_may_be_the_sanitizer),
        TEST(abort_before_the_answer_may_be_the_sanitizer),
        TEST(line_of_a_report_is_found_in_standard_error),
        TEST(line_of_a_report_is_the_message),
        TEST(names_are_those_of_the_tools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
