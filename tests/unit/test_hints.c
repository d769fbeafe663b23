/* Tests the detection of libraries that were used on both sides of a fork: by what a child writes,
 * and by how it crashes. */
#include "crash/symptoms.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WARNING                                                                                                   \
    "The process has forked and you cannot use this CoreFoundation functionality safely. You MUST exec().\n"      \
    "Break on __THE_PROCESS_HAS_FORKED_AND_YOU_CANNOT_USE_THIS_COREFOUNDATION_FUNCTIONALITY___YOU_MUST_EXEC__() " \
    "to debug.\n"
#define SENTENCE_SIZE (sizeof "The process has forked and you cannot use this CoreFoundation functionality safely." - 1)

/* ---- The search ------------------------------------------------------------------------------ */

/* Searches the text in pieces of at most this size. Each piece is in memory of its own, so that the
 * address sanitizer sees every read outside of it. */
static bool is_found(const char *text, size_t size, size_t piece)
{
    struct fc_hint_scan scan = {.matched = 0};
    for (size_t from = 0; from < size; from += piece) {
        const size_t n = size - from < piece ? size - from : piece;
        char *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, text + from, n);
        fc_hints_scan(&scan, copy, n);
        free(copy);
    }
    return scan.found;
}

static void assert_found(const char *text, size_t size, bool wanted)
{
    for (size_t piece = 1; piece <= size; piece++)
        if (is_found(text, size, piece) != wanted)
            fail_msg("%s in pieces of %zu: %.*s", wanted ? "not found" : "found", piece, (int)size, text);
}

static void sentence_in_pieces_of_any_size(void **state)
{
    (void)state;
    assert_found(WARNING, strlen(WARNING), true);
    assert_found(WARNING, SENTENCE_SIZE, true);
}

static void sentence_in_two_pieces_at_every_place(void **state)
{
    (void)state;
    for (size_t first = 0; first <= SENTENCE_SIZE; first++) {
        struct fc_hint_scan scan = {.matched = 0};
        fc_hints_scan(&scan, WARNING, first);
        assert_true(scan.found == (first == SENTENCE_SIZE));
        fc_hints_scan(&scan, "", 0);
        fc_hints_scan(&scan, &WARNING[first], SENTENCE_SIZE - first);
        assert_true(scan.found);
        fc_hints_scan(&scan, "and what comes after it", 23);
        assert_true(scan.found);
    }
}

static void sentence_after_every_beginning_of_itself(void **state)
{
    static const char begun_again[] = {'T', 'T', 'T', 'h', 'T'};
    char text[2 * SENTENCE_SIZE + 8];
    (void)state;
    for (size_t begun = 0; begun <= SENTENCE_SIZE; begun++) {
        memcpy(text, WARNING, begun);
        memcpy(text + begun, WARNING, SENTENCE_SIZE);
        assert_found(text, begun + SENTENCE_SIZE, true);
    }
    memcpy(text, begun_again, sizeof begun_again);
    memcpy(text + sizeof begun_again, WARNING, SENTENCE_SIZE);
    assert_found(text, sizeof begun_again + SENTENCE_SIZE, true);
}

static void sentence_that_is_not_whole(void **state)
{
    char text[SENTENCE_SIZE];
    (void)state;
    assert_found(WARNING, SENTENCE_SIZE - 1, false);
    assert_found(&WARNING[1], strlen(WARNING) - 1, false);
    for (size_t wrong = 0; wrong < SENTENCE_SIZE; wrong++) {
        memcpy(text, WARNING, sizeof text);
        text[wrong] = '\0';
        assert_found(text, sizeof text, false);
    }
}

static void sentence_among_bytes_of_any_kind(void **state)
{
    enum { SIZE = 4096 };
    char *text = malloc(SIZE);
    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)(i * 7);
    static const size_t pieces[] = {1, 3, 64, SIZE};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        assert_false(is_found(text, SIZE, pieces[i]));
    memcpy(text + SIZE - SENTENCE_SIZE, WARNING, SENTENCE_SIZE);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        assert_true(is_found(text, SIZE, pieces[i]));
    free(text);
}

/* ---- The crash ------------------------------------------------------------------------------- */

/* These crashes must not be taken for crashes of libdispatch. The crashes of libdispatch itself are
 * tested with a library of that name (tests/fork_unsafe_libs). */
static void crash_near_NULL_outside_of_libdispatch(void **state)
{
    (void)state;
    const struct fc_hint_scan none = {.matched = 0};
    struct forkcall_crash crash;
    memset(&crash, 0, sizeof crash);
    assert_int_equal(fc_hints(&none, &crash), 0);
    crash.signal = SIGSEGV;
    crash.si_code = SEGV_MAPERR;
    crash.address = 0x108;
    assert_int_equal(fc_hints(&none, &crash), 0);
    crash.program_counter = (uint64_t)(uintptr_t)child_returns_0;
    assert_int_equal(fc_hints(&none, &crash), 0);
    crash.program_counter = UINT64_MAX;
    assert_int_equal(fc_hints(&none, &crash), 0);
}

/* ---- In a call ------------------------------------------------------------------------------- */

static int child_warns(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int fd = *(const int *)args;
    (void)args_size;
    (void)result;
    for (const char *c = WARNING; *c != '\0'; c++)
        if (write(fd, c, 1) != 1)
            return 1;
    return 0;
}

static int child_warns_and_aborts(const void *args, size_t args_size, struct forkcall_buf *result)
{
    child_warns(args, args_size, result);
    abort();
}

static int ignore_output(void *user, int stream, const char *data, size_t size)
{
    (void)user;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static void assert_explained(const struct forkcall_report *report, bool wanted)
{
    static const char *const words[] = {"CoreFoundation", "forkcall_init()", "FORKCALL_SERVER", "FORKCALL_SPAWN"};
    char text[4096];
    assert_in_range(forkcall_explain(report, text, sizeof text), 1, sizeof text - 1);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((strstr(text, words[i]) != NULL) != wanted)
            fail_msg("\"%s\" is %sin \"%s\"", words[i], wanted ? "not " : "", text);
}

static void warning_in_captured_stderr(void **state)
{
    const int fd = STDERR_FILENO;
    struct forkcall_buf details = FORKCALL_BUF_INIT;
    const struct forkcall_options to_details = {.standard_error = FORKCALL_STREAM_CAPTURE, .details = &details};
    const struct forkcall_options to_callback = {.standard_error = FORKCALL_STREAM_CAPTURE, .output = ignore_output};
    (void)state;
    struct forkcall_report report = forkcall_run(child_warns_and_aborts, &fd, sizeof fd, NULL, &to_details);
    assert_status(report, FORKCALL_SIGNALED);
    /* Under a sanitizer an abort may be the sanitizer's. */
    assert_int_equal(report.hints & ~(under_sanitizer() ? FORKCALL_HINT_TOOL : 0), FORKCALL_HINT_COREFOUNDATION);
    assert_explained(&report, true);
    report = forkcall_run(child_warns, &fd, sizeof fd, NULL, &to_callback);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(report.hints, FORKCALL_HINT_COREFOUNDATION);
    assert_explained(&report, true); /* The child's answer is not reliable. */
    report = forkcall_run(child_returns_0, NULL, 0, NULL, &to_details);
    assert_status(report, FORKCALL_OK);
    /* Hints belong to one call: the call before has no influence. */
    assert_int_equal(report.hints, 0);
    assert_explained(&report, false);
    forkcall_buf_free(&details);
}

static void warning_elsewhere_is_the_functions_own_affair(void **state)
{
    const int out = STDOUT_FILENO;
    const struct forkcall_options captured = {.standard_output = FORKCALL_STREAM_CAPTURE, .output = ignore_output};
    const struct forkcall_options dropped = {.standard_error = FORKCALL_STREAM_NULL};
    const int err = STDERR_FILENO;
    (void)state;
    struct forkcall_report report = forkcall_run(child_warns, &out, sizeof out, NULL, &captured);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(report.hints, 0);
    report = forkcall_run(child_warns, &err, sizeof err, NULL, &dropped);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(report.hints, 0);
    assert_explained(&report, false);
}

static void explanation_of_the_hints_in_a_bare_report(void **state)
{
    struct forkcall_report report;
    char text[4096];
    (void)state;
    memset(&report, 0, sizeof report);
    report.status = FORKCALL_SIGNALED;
    report.hints = FORKCALL_HINT_DISPATCH;
    forkcall_explain(&report, text, sizeof text);
    assert_non_null(strstr(text, "libdispatch"));
    assert_non_null(strstr(text, "forkcall_init()"));
    assert_null(strstr(text, "CoreFoundation"));
    report.hints = UINT16_MAX; /* with hints of later versions */
    forkcall_explain(&report, text, sizeof text);
    assert_non_null(strstr(text, "libdispatch"));
    assert_non_null(strstr(text, "CoreFoundation"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentence_in_pieces_of_any_size),
        cmocka_unit_test(sentence_in_two_pieces_at_every_place),
        cmocka_unit_test(sentence_after_every_beginning_of_itself),
        cmocka_unit_test(sentence_that_is_not_whole),
        cmocka_unit_test(sentence_among_bytes_of_any_kind),
        cmocka_unit_test(crash_near_NULL_outside_of_libdispatch),
        cmocka_unit_test(warning_in_captured_stderr),
        cmocka_unit_test(warning_elsewhere_is_the_functions_own_affair),
        cmocka_unit_test(explanation_of_the_hints_in_a_bare_report),
    };
    return cmocka_run_group_tests_name("hints", tests, NULL, NULL);
}
