/* Tests how a chain of calls is told: without the library's frames, a recursion once, the called
 * function always. */
#include "api/explain_frames.h"
#include "child/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Addresses that lie in no module, so each is told as a number. */
#define A 0x10U
#define B 0x20U
#define C 0x30U
#define D 0x40U
#define E 0x50U

static const char *explain(const uint64_t *frames, uint32_t count, const char *function)
{
    static char told[8192];
    struct forkcall_crash crash;
    struct fc_text text = {.to = told, .size = sizeof told};
    memset(&crash, 0, sizeof crash);
    memcpy(crash.frames, frames, (count < FORKCALL_CRASH_FRAMES ? count : FORKCALL_CRASH_FRAMES) * sizeof *frames);
    crash.frame_count = count;
    told[0] = 0;
    fc_explain_frames(&text, &fc_symbols_tables, &crash, function);
    assert_int_equal(text.length, strlen(told));
    /* A last line may say that libdw is missing here. */
    char *advice = strstr(told, "\nFor all names");
    if (advice != NULL)
        *advice = 0;
    return told;
}

static uint64_t in_entry(void)
{
    return (uint64_t)(uintptr_t)fc_child_enter + 1;
}

static void nothing_is_told_without_frames(void **state)
{
    const uint64_t none = 0;
    (void)state;
    assert_string_equal(explain(&none, 0, "f"), "");
}

static void frames_of_the_library_are_left_out(void **state)
{
    const uint64_t frames[] = {A, B, in_entry(), C, D};
    (void)state;
    assert_string_equal(explain(frames, 5, "f"), "\n  #0 0x10\n  #1 0x20");
}

/* A crash in the library itself, as after a wild jump, is told. */
static void first_frame_is_told_wherever_it_lies(void **state)
{
    const uint64_t frames[] = {in_entry(), A};
    (void)state;
    assert_non_null(strstr(explain(frames, 2, "f"), "\n  #0 "));
    assert_non_null(strstr(explain(frames, 2, "f"), "\n  #1 0x10"));
}

static void called_function_is_told_where_the_chain_does_not_lead_to_it(void **state)
{
    const uint64_t frames[] = {A, B};
    const uint64_t named[] = {(uint64_t)(uintptr_t)forkcall_version};
    (void)state;
    assert_string_equal(explain(frames, 2, "f"), "\n  #0 0x10\n  #1 0x20\n  … called by f");
    if (strstr(explain(named, 1, "other"), "forkcall_version+0x0") == NULL)
        skip(); /* no names: built static, or stripped */
    assert_null(strstr(explain(named, 1, "forkcall_version"), "called by"));
    assert_non_null(strstr(explain(named, 1, "forkcall_v"), "called by forkcall_v"));
}

static void recursion_is_told_once(void **state)
{
    uint64_t frames[FORKCALL_CRASH_FRAMES];
    const uint64_t cycle[] = {A, B, C, D};
    (void)state;
    for (uint32_t period = 1; period <= 4; period++) {
        const char *text;
        char count[64];
        frames[0] = E;
        for (uint32_t i = 1; i < FORKCALL_CRASH_FRAMES; i++)
            frames[i] = cycle[(i - 1) % period];
        text = explain(frames, FORKCALL_CRASH_FRAMES, "f");
        assert_non_null(strstr(text, "\n  #0 0x50\n  #1 0x10"));
        const uint32_t hidden = (FORKCALL_CRASH_FRAMES - 1) / period * period - 2 * period;
        (void)snprintf(count, sizeof count, "\n  … %u frames that repeat these", hidden);
        if (strstr(text, count) == NULL)
            fail_msg("period %u: %s", period, text);
        /* What follows the recursion has the number that a debugger gives it. */
        frames[FORKCALL_CRASH_FRAMES - 1] = E;
        text = explain(frames, FORKCALL_CRASH_FRAMES, "f");
        assert_non_null(strstr(text, "\n  #31 0x50"));
    }
}

static void few_repeats_are_all_told(void **state)
{
    const uint64_t frames[] = {A, A, A, B, C, B, C, B, C, D};
    (void)state;
    const char *text = explain(frames, 10, "f");
    assert_null(strstr(text, "repeat"));
    assert_non_null(strstr(text, "\n  #9 0x40"));
}

static void more_frames_than_there_is_room_for_are_not_read(void **state)
{
    uint64_t frames[FORKCALL_CRASH_FRAMES];
    (void)state;
    for (uint32_t i = 0; i < FORKCALL_CRASH_FRAMES; i++)
        frames[i] = i + 1;
    const char *text = explain(frames, UINT32_MAX, "f");
    assert_non_null(strstr(text, "\n  #31 0x20"));
    assert_null(strstr(text, "#32"));
}

static void only_the_code_that_calls_functions_is_its_entry(void **state)
{
    (void)state;
    assert_true(fc_child_entry_holds(in_entry()));
    assert_false(fc_child_entry_holds(0));
    assert_false(fc_child_entry_holds(UINT64_MAX));
    assert_false(fc_child_entry_holds((uint64_t)(uintptr_t)explain));
    assert_true(fc_child_entry_holds((uint64_t)(uintptr_t)fc_child_run + 1));
    assert_false(fc_child_entry_holds((uint64_t)(uintptr_t)fc_child_prefault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_told_without_frames),
        cmocka_unit_test(frames_of_the_library_are_left_out),
        cmocka_unit_test(first_frame_is_told_wherever_it_lies),
        cmocka_unit_test(called_function_is_told_where_the_chain_does_not_lead_to_it),
        cmocka_unit_test(recursion_is_told_once),
        cmocka_unit_test(few_repeats_are_all_told),
        cmocka_unit_test(more_frames_than_there_is_room_for_are_not_read),
        cmocka_unit_test(only_the_code_that_calls_functions_is_its_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
