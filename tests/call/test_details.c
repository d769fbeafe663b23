/* Tests option details: the last bytes that a child has written to its standard error, however it
 * ends. */
#include "captured.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum ending { RETURNS, THROWS, EXITS, QUICKLY_EXITS, ABORTS, CRASHES, KILLED, ENDINGS };

static int child_says_last_words(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    const bool said = write_text(1, "last words") && write_text(2, "and curses");
    switch (*(const enum ending *)args) {
    case RETURNS:
        return said ? 9 : 1;
    case THROWS:
        printf(", by stdio");
        forkcall_throw(9, "thrown");
    case EXITS:
        printf(", by stdio");
        exit(9); // NOLINT(concurrency-mt-unsafe): what is tested
    case QUICKLY_EXITS:
        _exit(9);
    case ABORTS:
        abort();
    case CRASHES:
        raise(SIGSEGV);
        return 1;
    case KILLED:
        raise(SIGKILL);
        return 1;
    case ENDINGS:
        break;
    }
    return 1;
}

static void last_output_is_not_lost_whatever_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < 10 * ENDINGS; i++) {
        const enum ending ending = (enum ending)(i % ENDINGS);
        const enum forkcall_status wanted[] = {FORKCALL_FAILED,   FORKCALL_FAILED,   FORKCALL_EXITED,  FORKCALL_EXITED,
                                               FORKCALL_SIGNALED, FORKCALL_SIGNALED, FORKCALL_SIGNALED};
        struct forkcall_buf details = FORKCALL_BUF_INIT;
        struct heard heard = {.calls = 0};
        struct forkcall_options options = capture(OUT | ERR, &heard);
        options.details = &details;
        const struct forkcall_report report = run_tested(child_says_last_words, &ending, sizeof ending, NULL, &options);
        assert_status(report, wanted[ending]);
        assert_heard(&heard.bytes[1], ending == THROWS || ending == EXITS ? "last words, by stdio" : "last words");
        assert_heard(&heard.bytes[2], "and curses");
        assert_heard(&details, ending == THROWS ? "thrown\nand curses" : "and curses");
        forget(&heard);
        forkcall_buf_free(&details);
    }
}

static int child_fills_stderr(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = *(const size_t *)args;
    (void)args_size;
    (void)result;
    for (size_t i = 0; i < size; i++) {
        const char c = (char)byte_at(i);
        if (write(2, &c, 1) != 1)
            return 1;
    }
    return forkcall_fail(4, "after %zu bytes", size);
}

static void details_hold_the_last_8_KiB_of_stderr(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 8191, 8192, 8193, 30000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct forkcall_buf details = FORKCALL_BUF_INIT;
        const struct forkcall_options options = {.standard_error = FORKCALL_STREAM_CAPTURE, .details = &details};
        char message[32];
        assert_int_equal(forkcall_buf_append(&details, "stale", 5), 0);
        const struct forkcall_report report = run_tested(child_fills_stderr, &sizes[i], sizeof *sizes, NULL, &options);
        assert_status(report, FORKCALL_FAILED);
        const size_t tail = sizes[i] < 8192 ? sizes[i] : 8192;
        snprintf(message, sizeof message, "after %zu bytes\n", sizes[i]);
        const size_t said = strlen(message) - (tail == 0);
        assert_int_equal(details.size, said + tail);
        assert_memory_equal(details.data, message, said);
        const unsigned char *text = (unsigned char *)details.data + said;
        for (size_t at = 0; at < tail; at++)
            assert_int_equal(text[at], byte_at(sizes[i] - tail + at));
        forkcall_buf_free(&details);
    }
}

#define EURO "\xe2\x82\xac"
#define EUROS 4000

static int child_complains_in_euros(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    /* These bytes come before the euro signs. */
    bool written = write_text(2, args);
    for (int i = 0; i < EUROS; i++)
        written &= write_text(2, EURO);
    return written ? 0 : 1;
}

/* If the beginning or the end of a captured stderr is left out, no part of a character may
 * remain. */
static void details_are_cut_between_characters(void **state)
{
    (void)state;
    for (size_t before = 0; before < 3; before++) {
        struct forkcall_buf details = FORKCALL_BUF_INIT;
        struct forkcall_options options = {.standard_error = FORKCALL_STREAM_CAPTURE, .details = &details};
        char storage[1000];
        struct forkcall_report report =
            run_tested(child_complains_in_euros, &"ab"[2 - before], before + 1, NULL, &options);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(details.size, 8192 / strlen(EURO) * strlen(EURO));
        assert_memory_equal(details.data, EURO EURO, 2 * strlen(EURO));
        forkcall_buf_free(&details);
        details = forkcall_buf_fixed(storage, sizeof storage);
        report = run_tested(child_complains_in_euros, "", 1, NULL, &options);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(details.size, sizeof storage / strlen(EURO) * strlen(EURO));
    }
}

static void details_that_do_not_fit_are_cut(void **state)
{
    (void)state;
    const size_t size = 100;
    char storage[120];
    for (size_t capacity = 0; capacity < sizeof storage; capacity++) {
        struct forkcall_buf details = forkcall_buf_fixed(storage, capacity);
        const struct forkcall_options options = {.standard_error = FORKCALL_STREAM_CAPTURE, .details = &details};
        const struct forkcall_report report = run_tested(child_fills_stderr, &size, sizeof size, NULL, &options);
        assert_status(report, FORKCALL_FAILED);
        const size_t all = strlen("after 100 bytes") + 1 + 100;
        const size_t wanted = capacity < all ? capacity : all;
        /* The newline is kept only if something follows it. */
        assert_true(details.size == wanted || (details.size == wanted - 1 && wanted == 16));
        assert_memory_equal(storage, "after 100 bytes\n", wanted < 15 ? wanted : 15);
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_output_is_not_lost_whatever_the_end),
        cmocka_unit_test(details_hold_the_last_8_KiB_of_stderr),
        cmocka_unit_test(details_are_cut_between_characters),
        cmocka_unit_test(details_that_do_not_fit_are_cut),
    };
    return cmocka_run_group_tests_name("details", tests, NULL, NULL);
}
