/* Tests the words in which outcomes are told. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void names_of_every_status_and_of_none(void **state)
{
    (void)state;
    static const char *const names[] = {"OK",       "FAILED",  "EXITED", "SIGNALED",    "TIMED_OUT",
                                        "CANCELED", "TOO_BIG", "UNSAFE", "NOT_STARTED", "LOST"};
    for (unsigned i = 0; i < 10; i++)
        assert_string_equal(forkcall_status_name((enum forkcall_status)i), names[i]);
    assert_string_equal(forkcall_status_name((enum forkcall_status)10), "unknown");
    assert_string_equal(forkcall_status_name((enum forkcall_status)(-1)), "unknown");
    assert_string_equal(forkcall_status_name((enum forkcall_status)INT32_MAX), "unknown");
}

/* Checks that forkcall_explain() behaves like snprintf(3): it returns the length of the whole text,
 * and writes at most size bytes, including the terminating 0. To name the frames of a crash may
 * take tens of milliseconds, so not every size is tried then. */
static void assert_cut_at_any_size(const struct forkcall_report *report)
{
    char whole[4096];
    char text[4096];
    const int length = forkcall_explain(report, whole, sizeof whole);
    assert_true(length > 0 && (size_t)length < sizeof whole);
    assert_int_equal(strlen(whole), length);
    assert_int_equal(forkcall_explain(report, NULL, 0), length);
    const size_t step = report->crash.frame_count > 0 ? (size_t)length / 8 : 1;
    for (size_t size = 0; size <= (size_t)length + 2; size += step) {
        memset(text, '#', sizeof text);
        assert_int_equal(forkcall_explain(report, text, size), length);
        for (size_t i = size; i < (size_t)length + 10; i++)
            assert_int_equal(text[i], '#');
        if (size > 0) {
            const size_t written = size - 1 < (size_t)length ? size - 1 : (size_t)length;
            assert_memory_equal(text, whole, written);
            assert_int_equal(text[written], '\0');
        }
    }
}

static int child_crashes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    abort();
}

static int child_exits(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    _exit(3);
}

static int child_answers_100_bytes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    return forkcall_buf_extend(result, 100) == NULL ? 1 : 0;
}

static struct forkcall_report outcome(enum forkcall_status status)
{
    const struct forkcall_options options = {.timeout_ms = status == FORKCALL_TIMED_OUT     ? 20
                                                           : status == FORKCALL_NOT_STARTED ? -1
                                                                                            : 0,
                                             .cancel_fd_plus_one = status == FORKCALL_CANCELED ? 1 : 0,
                                             .max_result = 10};
    forkcall_fn *const fns[] = {child_answers_42, child_fails_7,           child_exits, child_crashes,   child_hangs,
                                child_hangs,      child_answers_100_bytes, NULL,        child_answers_42};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_report report = run_tested(fns[status], NULL, 0, &result, &options);
    forkcall_buf_free(&result);
    assert_status(report, status);
    return report;
}

/* True: the time is more than 0. It may be 0 only if a call takes less than the clock can measure,
 * so several calls are tried. */
static bool elapsed_is_known(enum forkcall_status status)
{
    for (int i = 0; i < 1000; i++)
        if (outcome(status).elapsed_ns > 0)
            return true;
    return false;
}

static int outcomes_host(void *unused)
{
    int ends[2];
    (void)unused;
    CHECK(pipe(ends) == 0 && dup2(ends[0], 0) == 0); /* descriptor 0 cancels */
    close(ends[1]);
    for (int i = 0; i <= FORKCALL_NOT_STARTED; i++) {
        if (i == FORKCALL_UNSAFE)
            continue; /* needs a second thread */
        const struct forkcall_report report = outcome((enum forkcall_status)i);
        char text[4096];
        CHECK((report.message[0] == '\0') == (report.status == FORKCALL_OK));
        CHECK(strlen(report.message) < sizeof report.message);
        CHECK(report.elapsed_ns > 0 || elapsed_is_known(report.status));
        CHECK(forkcall_explain(&report, text, sizeof text) > 0);
        CHECK(report.status == FORKCALL_OK || strstr(text, report.message) != NULL);
        assert_cut_at_any_size(&report);
        /* A caller may fill in a report with nothing but the status. */
        struct forkcall_report bare = report;
        memset(&bare, 0, sizeof bare);
        bare.status = report.status;
        assert_cut_at_any_size(&bare);
    }
    return 0;
}

static void message_and_explanation_of_every_outcome(void **state)
{
    (void)state;
    assert_int_equal(host_run(outcomes_host, NULL), 0);
}

static void explanation_of_what_is_no_report(void **state)
{
    (void)state;
    char text[10] = "untouched";
    struct forkcall_report report;
    memset(&report, 0, sizeof report);
    assert_int_equal(forkcall_explain(NULL, text, sizeof text), -EINVAL);
    assert_int_equal(forkcall_explain(NULL, NULL, 0), -EINVAL);
    assert_int_equal(forkcall_explain(&report, NULL, 1), -EINVAL);
    assert_string_equal(text, "untouched");
    report.status = (enum forkcall_status)77;
    report.crash.frame_count = UINT32_MAX; /* more than the array holds */
    assert_cut_at_any_size(&report);
}

static void explanation_says_whether_a_retry_is_safe(void **state)
{
    (void)state;
    struct forkcall_report report;
    char text[1024];
    memset(&report, 0, sizeof report);
    report.status = FORKCALL_NOT_STARTED;
    report.ran = FORKCALL_RAN_NO;
    forkcall_explain(&report, text, sizeof text);
    assert_non_null(strstr(text, "retry is safe"));
    report.code = EINVAL; /* the same call is refused again */
    forkcall_explain(&report, text, sizeof text);
    assert_non_null(strstr(text, "The function did not run."));
    assert_null(strstr(text, "retry is safe"));
    report.status = FORKCALL_UNSAFE;
    forkcall_explain(&report, text, sizeof text);
    assert_non_null(strstr(text, "retry is safe"));
    report.status = FORKCALL_LOST;
    report.ran = FORKCALL_RAN_UNKNOWN;
    forkcall_explain(&report, text, sizeof text);
    assert_null(strstr(text, "retry is safe"));
    assert_non_null(strstr(text, "not known"));
    report.ran = FORKCALL_RAN_YES;
    forkcall_explain(&report, text, sizeof text);
    assert_null(strstr(text, "retry is safe"));
}

/* ---- The message is one line for a person ---------------------------------------------------- */

static int child_says(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    return forkcall_fail(5, "%s", (const char *)args);
}

static struct forkcall_report say(const char *text)
{
    const struct forkcall_report report = run_tested(child_says, text, strlen(text) + 1, NULL, NULL);
    assert_status(report, FORKCALL_FAILED);
    assert_int_equal(report.code, 5);
    assert_string_not_equal(report.message, "");
    return report;
}

static void message_without_control_characters(void **state)
{
    (void)state;
    char text[256];
    for (int c = 1; c < 256; c++)
        text[c - 1] = (char)c;
    text[255] = '\0';
    const struct forkcall_report report = say(text);
    for (const char *c = report.message; *c != '\0'; c++)
        assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
    assert_string_equal(say("two\nlines\tand\r\nspace \n").message, "two lines and  space");
    assert_string_equal(say("\033[31mred").message, " [31mred");
}

static void message_of_nothing_visible(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", " \t\r\n ", "\001\002"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(say(texts[i]).message, "the function returned 5");
}

/* Characters that turn the direction of writing can make one line read as another, and a line
 * separator makes two lines of one. */
static void message_without_characters_that_a_viewer_acts_on(void **state)
{
    (void)state;
    /* Each character ends with a 0. They are numbers, because compilers warn of them in a string
     * literal as an attempt to mislead readers of the source. */
    static const unsigned char acting[][4] = {
        {0xd8, 0x9c},       {0xe2, 0x80, 0x8e}, {0xe2, 0x80, 0x8f}, {0xe2, 0x80, 0xa8}, {0xe2, 0x80, 0xa9},
        {0xe2, 0x80, 0xaa}, {0xe2, 0x80, 0xab}, {0xe2, 0x80, 0xac}, {0xe2, 0x80, 0xad}, {0xe2, 0x80, 0xae},
        {0xe2, 0x81, 0xa6}, {0xe2, 0x81, 0xa7}, {0xe2, 0x81, 0xa8}, {0xe2, 0x81, 0xa9}, {0xc2, 0x80},
        {0xc2, 0x85},       {0xc2, 0x9b},       {0xc2, 0x9f}};
    static const char *const harmless[] = {"\xd8\x9b",     "\xe2\x80\x8d", "\xe2\x80\x90", "\xe2\x80\xa7",
                                           "\xe2\x80\xaf", "\xe2\x81\xa5", "\xe2\x81\xaa", "\xc2\xa0"};
    char text[32], spaces[32];
    for (size_t i = 0; i < sizeof acting / sizeof *acting; i++) {
        const char *character = (const char *)acting[i];
        snprintf(text, sizeof text, "a%.3sb", character);
        snprintf(spaces, sizeof spaces, "a%*sb", (int)strlen(character), "");
        assert_string_equal(say(text).message, spaces);
    }
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        snprintf(text, sizeof text, "a%sb", harmless[i]);
        assert_string_equal(say(text).message, text);
    }
}

/* A message has room for 255 bytes. It must be cut between two characters. */
static void message_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8d\xb4"};
    for (size_t c = 0; c < 4; c++) {
        const size_t length = strlen(characters[c]);
        for (size_t shift = 0; shift < 4; shift++) {
            char text[400] = "....";
            text[shift] = '\0';
            while (strlen(text) < 300)
                memcpy(text + strlen(text), characters[c], length + 1);
            const struct forkcall_report report = say(text);
            const size_t got = strlen(report.message);
            assert_true(got <= 255 && got > 255 - length);
            assert_int_equal((got - shift) % length, 0);
            assert_memory_equal(report.message, text, got);
        }
    }
}

static void message_that_fits_exactly(void **state)
{
    (void)state;
    for (size_t size = 250; size < 260; size++) {
        char text[300];
        memset(text, 'm', size);
        text[size] = '\0';
        assert_int_equal(strlen(say(text).message), size < 255 ? size : 255);
    }
}

/* ---- Signals --------------------------------------------------------------------------------- */

static int child_raises(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = *(const int *)args;
    (void)args_size;
    (void)result;
    raise(number);
    return 0;
}

/* The name stands in place of the symbol's, which a stripped program does not have. */
static void explanation_has_the_name_that_the_caller_gave(void **state)
{
    static const struct {
        const char *given, *told;
    } names[] = {
        {"parse_image", "parse_image: "},
        {"two\nlines\033[31m", "two lines [31m: "},
        {"a_name_that_is_as_long_as_there_is_room_for_____________________ and more",
         "a_name_that_is_as_long_as_there_is_room_for____________________: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct forkcall_options options = {.name = names[i].given, .timeout_ms = DEADLINE_S * 1000};
        char text[4096];
        struct forkcall_report report = run_tested(child_exits, NULL, 0, NULL, &options);
        assert_status(report, FORKCALL_EXITED);
        forkcall_explain(&report, text, sizeof text);
        assert_int_equal(strncmp(text, names[i].told, strlen(names[i].told)), 0);
        options.timeout_ms = -1; /* the name is told of bad options, too */
        report = run_tested(child_exits, NULL, 0, NULL, &options);
        assert_status(report, FORKCALL_NOT_STARTED);
        forkcall_explain(&report, text, sizeof text);
        assert_int_equal(strncmp(text, names[i].told, strlen(names[i].told)), 0);
    }
}

static void every_signal_has_a_name(void **state)
{
    (void)state;
    if (under_valgrind())
        SKIP("some signals are valgrind's own");
    static const int stopping[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGCHLD, SIGURG, SIGWINCH};
    for (int number = 1; number < 32; number++) {
        bool ends = true;
        for (size_t i = 0; i < sizeof stopping / sizeof *stopping; i++)
            ends &= number != stopping[i];
#ifdef TEST_PORTABLE
        /* In a portable build, a child has a handler for SIGIO that ends it when its caller has
         * ended. */
        ends &= number != SIGIO;
#endif
        struct sigaction now;
        if (!ends || sigaction(number, NULL, &now) < 0 || now.sa_handler == SIG_IGN)
            continue;
        const struct forkcall_report report = run_tested(child_raises, &number, sizeof number, NULL, NULL);
        assert_status(report, FORKCALL_SIGNALED);
        assert_int_equal(report.code, number);
        assert_non_null(strstr(report.message, "killed by SIG"));
    }
#ifdef SIGRTMIN
    const int number = SIGRTMIN;
    const struct forkcall_report report = run_tested(child_raises, &number, sizeof number, NULL, NULL);
    assert_status(report, FORKCALL_SIGNALED);
    assert_non_null(strstr(report.message, "signal "));
#endif
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_every_status_and_of_none),
        cmocka_unit_test(message_and_explanation_of_every_outcome),
        cmocka_unit_test(explanation_of_what_is_no_report),
        cmocka_unit_test(explanation_says_whether_a_retry_is_safe),
        cmocka_unit_test(message_without_control_characters),
        cmocka_unit_test(message_without_characters_that_a_viewer_acts_on),
        cmocka_unit_test(message_of_nothing_visible),
        cmocka_unit_test(message_cut_between_characters),
        cmocka_unit_test(message_that_fits_exactly),
        cmocka_unit_test(explanation_has_the_name_that_the_caller_gave),
        cmocka_unit_test(every_signal_has_a_name),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
