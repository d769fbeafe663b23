/* Tests the public interface as it is compiled into programs: sizes, offsets, numbers, initialisers
 * and the decorator. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The header must not cause warnings for wrappers that a program does not use. */
#pragma GCC diagnostic error "-Wall"
#pragma GCC diagnostic error "-Wextra"
#pragma GCC diagnostic error "-Wunused-function"

/* ---- Sizes and offsets ----------------------------------------------------------------------- */

struct alignment {
    char c;
    uint64_t value;
};

/* The value for this machine: LP64, ILP32 with 64-bit numbers aligned to 8, or ILP32 with 64-bit
 * numbers aligned to 4 (i386). */
static size_t for_this_machine(size_t lp64, size_t ilp32, size_t i386)
{
    if (sizeof(void *) == 8)
        return lp64;
    return offsetof(struct alignment, value) == 8 ? ilp32 : i386;
}

#define SIZE(type, lp64, ilp32, i386) assert_int_equal(sizeof(struct type), for_this_machine(lp64, ilp32, i386))
#define OFFSET(type, field, lp64, ilp32, i386) \
    assert_int_equal(offsetof(struct type, field), for_this_machine(lp64, ilp32, i386))

static void layout_of_buf_limits_and_crash(void **state)
{
    (void)state;
    SIZE(forkcall_buf, 104, 88, 88);
    OFFSET(forkcall_buf, data, 0, 0, 0);
    OFFSET(forkcall_buf, size, 8, 4, 4);
    OFFSET(forkcall_buf, capacity_private, 16, 8, 8);
    OFFSET(forkcall_buf, limit_private, 24, 12, 12);
    OFFSET(forkcall_buf, kind_private, 32, 16, 16);
    OFFSET(forkcall_buf, error_private, 36, 20, 20);
    OFFSET(forkcall_buf, reserved, 40, 24, 24);
    SIZE(forkcall_limits, 48, 48, 48);
    OFFSET(forkcall_limits, address_space_bytes, 0, 0, 0);
    OFFSET(forkcall_limits, cpu_seconds, 8, 8, 8);
    OFFSET(forkcall_limits, open_files, 16, 16, 16);
    OFFSET(forkcall_limits, file_size_bytes, 24, 24, 24);
    OFFSET(forkcall_limits, core_bytes, 32, 32, 32);
    OFFSET(forkcall_limits, processes, 40, 40, 40);
    SIZE(forkcall_crash, 632, 632, 632);
    OFFSET(forkcall_crash, signal, 0, 0, 0);
    OFFSET(forkcall_crash, si_code, 4, 4, 4);
    OFFSET(forkcall_crash, address, 8, 8, 8);
    OFFSET(forkcall_crash, program_counter, 16, 16, 16);
    OFFSET(forkcall_crash, flags, 24, 24, 24);
    OFFSET(forkcall_crash, frame_count, 28, 28, 28);
    OFFSET(forkcall_crash, frames, 32, 32, 32);
    OFFSET(forkcall_crash, sender_pid, 288, 288, 288);
    OFFSET(forkcall_crash, sender_uid, 292, 292, 292);
    OFFSET(forkcall_crash, thread, 296, 296, 296);
    OFFSET(forkcall_crash, register_count, 300, 300, 300);
    OFFSET(forkcall_crash, registers, 304, 304, 304);
    OFFSET(forkcall_crash, thread_count, 568, 568, 568);
    OFFSET(forkcall_crash, reserved, 576, 576, 576);
}

static void layout_of_options(void **state)
{
    (void)state;
    SIZE(forkcall_options, 200, 176, 168);
    OFFSET(forkcall_options, method, 0, 0, 0);
    OFFSET(forkcall_options, timeout_ms, 4, 4, 4);
    OFFSET(forkcall_options, grace_ms, 8, 8, 8);
    OFFSET(forkcall_options, cancel_fd_plus_one, 12, 12, 12);
    OFFSET(forkcall_options, max_result, 16, 16, 16);
    OFFSET(forkcall_options, allow_unsafe_fork, 24, 20, 20);
    OFFSET(forkcall_options, allow_env, 25, 21, 21);
    OFFSET(forkcall_options, close_fds, 26, 22, 22);
    OFFSET(forkcall_options, share_group, 27, 23, 23);
    OFFSET(forkcall_options, standard_input, 28, 24, 24);
    OFFSET(forkcall_options, standard_output, 32, 28, 28);
    OFFSET(forkcall_options, standard_error, 36, 32, 32);
    OFFSET(forkcall_options, limits, 40, 40, 36);
    OFFSET(forkcall_options, output, 88, 88, 84);
    OFFSET(forkcall_options, progress, 96, 92, 88);
    OFFSET(forkcall_options, user, 104, 96, 92);
    OFFSET(forkcall_options, keep_fds, 112, 100, 96);
    OFFSET(forkcall_options, keep_fds_count, 120, 104, 100);
    OFFSET(forkcall_options, details, 128, 108, 104);
    OFFSET(forkcall_options, reuse_child, 136, 112, 108);
    OFFSET(forkcall_options, no_crash_capture, 137, 113, 109);
    OFFSET(forkcall_options, reserved_small, 138, 114, 110);
    OFFSET(forkcall_options, name, 144, 120, 116);
    OFFSET(forkcall_options, reserved, 152, 128, 120);
}

static void layout_of_map_options(void **state)
{
    (void)state;
    SIZE(forkcall_map_options, 320, 272, 260);
    OFFSET(forkcall_map_options, call, 0, 0, 0);
    OFFSET(forkcall_map_options, processes, 200, 176, 168);
    OFFSET(forkcall_map_options, stop_at_failure, 208, 180, 172);
    OFFSET(forkcall_map_options, item_done, 216, 184, 176);
    OFFSET(forkcall_map_options, progress, 224, 188, 180);
    OFFSET(forkcall_map_options, output, 232, 192, 184);
    OFFSET(forkcall_map_options, user, 240, 196, 188);
    OFFSET(forkcall_map_options, details, 248, 200, 192);
    OFFSET(forkcall_map_options, items_per_child, 256, 208, 196);
    OFFSET(forkcall_map_options, reserved, 264, 216, 204);
}

static void layout_of_server_options(void **state)
{
    (void)state;
    SIZE(forkcall_server_options, 104, 88, 88);
    OFFSET(forkcall_server_options, spares, 0, 0, 0);
    OFFSET(forkcall_server_options, timeout_ms, 4, 4, 4);
    OFFSET(forkcall_server_options, prepare, 8, 8, 8);
    OFFSET(forkcall_server_options, prepare_args, 16, 12, 12);
    OFFSET(forkcall_server_options, prepare_args_size, 24, 16, 16);
    OFFSET(forkcall_server_options, exec_spares, 32, 20, 20);
    OFFSET(forkcall_server_options, fixed_identity, 33, 21, 21);
    OFFSET(forkcall_server_options, child_memory_bytes, 40, 24, 24);
    OFFSET(forkcall_server_options, calls_per_child, 48, 32, 32);
    OFFSET(forkcall_server_options, load_early, 52, 36, 36);
    OFFSET(forkcall_server_options, reserved_small, 53, 37, 37);
    OFFSET(forkcall_server_options, reserved, 56, 40, 40);
}

static void layout_of_report(void **state)
{
    (void)state;
    SIZE(forkcall_report, 1088, 1088, 1084);
    OFFSET(forkcall_report, status, 0, 0, 0);
    OFFSET(forkcall_report, ran, 4, 4, 4);
    OFFSET(forkcall_report, code, 8, 8, 8);
    OFFSET(forkcall_report, wait_status, 12, 12, 12);
    OFFSET(forkcall_report, pid, 16, 16, 16);
    OFFSET(forkcall_report, method, 20, 20, 20);
    OFFSET(forkcall_report, hazards, 24, 24, 24);
    OFFSET(forkcall_report, usage_known, 28, 28, 28);
    OFFSET(forkcall_report, hints, 30, 30, 30);
    OFFSET(forkcall_report, elapsed_ns, 32, 32, 32);
    OFFSET(forkcall_report, user_ns, 40, 40, 40);
    OFFSET(forkcall_report, system_ns, 48, 48, 48);
    OFFSET(forkcall_report, max_rss_bytes, 56, 56, 56);
    OFFSET(forkcall_report, fn, 64, 64, 64);
    OFFSET(forkcall_report, crash, 72, 72, 68);
    OFFSET(forkcall_report, message, 704, 704, 700);
    OFFSET(forkcall_report, name, 960, 960, 956);
    OFFSET(forkcall_report, reserved, 1024, 1024, 1020);
}

static void layout_of_trace(void **state)
{
    (void)state;
    SIZE(forkcall_trace, 128, 120, 116);
    OFFSET(forkcall_trace, event, 0, 0, 0);
    OFFSET(forkcall_trace, method, 4, 4, 4);
    OFFSET(forkcall_trace, call, 8, 8, 8);
    OFFSET(forkcall_trace, time_ns, 16, 16, 16);
    OFFSET(forkcall_trace, start_ns, 24, 24, 24);
    OFFSET(forkcall_trace, pid, 32, 32, 32);
    OFFSET(forkcall_trace, reserved_small, 36, 36, 36);
    OFFSET(forkcall_trace, fn, 40, 40, 40);
    OFFSET(forkcall_trace, name, 48, 44, 44);
    OFFSET(forkcall_trace, report, 56, 48, 48);
    OFFSET(forkcall_trace, reserved, 64, 56, 52);
}

/* ---- Numbers --------------------------------------------------------------------------------- */

static void numbers_of_enumerators(void **state)
{
    (void)state;
    static const int by_number[] = {FORKCALL_OK,          FORKCALL_FAILED,   FORKCALL_EXITED,  FORKCALL_SIGNALED,
                                    FORKCALL_TIMED_OUT,   FORKCALL_CANCELED, FORKCALL_TOO_BIG, FORKCALL_UNSAFE,
                                    FORKCALL_NOT_STARTED, FORKCALL_LOST};
    for (int i = 0; i < 10; i++)
        assert_int_equal(by_number[i], i);
    assert_int_equal(FORKCALL_RAN_UNKNOWN, 0);
    assert_int_equal(FORKCALL_RAN_NO, 1);
    assert_int_equal(FORKCALL_RAN_YES, 2);
    assert_int_equal(FORKCALL_AUTO, 0);
    assert_int_equal(FORKCALL_FORK, 1);
    assert_int_equal(FORKCALL_SERVER, 2);
    assert_int_equal(FORKCALL_SPAWN, 3);
    assert_int_equal(FORKCALL_INLINE, 4);
    assert_int_equal(FORKCALL_STREAM_INHERIT, 0);
    assert_int_equal(FORKCALL_STREAM_NULL, 1);
    assert_int_equal(FORKCALL_STREAM_CAPTURE, 2);
    assert_int_equal(FORKCALL_STREAM_JOIN, 3);
    assert_int_equal(FORKCALL_HAZARD_THREADS, 1);
    assert_int_equal(FORKCALL_HAZARD_FORKED, 2);
    assert_int_equal(FORKCALL_HAZARD_LIBRARY, 4);
    assert_int_equal(FORKCALL_HAZARDS_REFUSE, 3);
    assert_int_equal(FORKCALL_HINT_COREFOUNDATION, 1);
    assert_int_equal(FORKCALL_HINT_DISPATCH, 2);
    assert_int_equal(FORKCALL_TRACE_START, 1);
    assert_int_equal(FORKCALL_TRACE_READY, 2);
    assert_int_equal(FORKCALL_TRACE_RUNNING, 3);
    assert_int_equal(FORKCALL_TRACE_RESULT, 4);
    assert_int_equal(FORKCALL_TRACE_END, 5);
    assert_int_equal(FORKCALL_CRASH_STACK_OVERFLOW, 1);
    assert_int_equal(FORKCALL_CRASH_MAPPED_IN_CALLER, 2);
    assert_int_equal(FORKCALL_CRASH_FRAMES, 32);
    assert_true(FORKCALL_BY_POINTER == SIZE_MAX);
    assert_true(FORKCALL_LIMIT_ZERO == UINT64_MAX);
}

static void version_of_header_and_library(void **state)
{
    (void)state;
    assert_int_equal(FORKCALL_VERSION,
                     (FORKCALL_VERSION_MAJOR * 1000 + FORKCALL_VERSION_MINOR) * 1000 + FORKCALL_VERSION_PATCH);
    assert_int_equal(forkcall_version(), FORKCALL_VERSION);
#if FORKCALL_VERSION < 1000 /* The preprocessor can compare the version. */
    fail();
#endif
}

static void initialisers_are_all_zero(void **state)
{
    (void)state;
    static const unsigned char zero[sizeof(struct forkcall_buf)];
    const struct forkcall_buf empty = FORKCALL_BUF_INIT;
    struct forkcall_buf from_zero;
    memset(&from_zero, 0, sizeof from_zero);
    assert_memory_equal(&empty, zero, sizeof zero);
    /* A buffer that is all 0 may be used as it is. */
    assert_int_equal(forkcall_buf_append(&from_zero, "used", 4), 0);
    assert_int_equal(from_zero.size, 4);
    forkcall_buf_free(&from_zero);
    assert_memory_equal(&from_zero, zero, sizeof zero);
}

/* ---- The decorator --------------------------------------------------------------------------- */

struct numbers {
    int a, b;
};

struct total {
    int sum;
    char untouched[60];
};

static int add(const struct numbers *args, struct total *result)
{
    for (size_t i = 0; i < sizeof result->untouched; i++)
        if (result->untouched[i] != 0)
            return 1; /* The function's result must begin as all 0. */
    result->sum = args->a + args->b;
    if (args->a == 100)
        return forkcall_fail(EDOM, "too much");
    if (args->a == 200)
        _exit(0);
    return 0;
}

static int negate(const int *args, int *result)
{
    *result = -*args;
    return 0;
}

FORKCALL_WRAP(add_in_child, add, struct numbers, struct total);
FORKCALL_WRAP(negate_in_child, negate, int, int);
#ifndef __clang__
FORKCALL_WRAP(never_used_in_child, negate, int, int);
#endif

static void wrapped_functions(void **state)
{
    (void)state;
    const struct numbers numbers = {20, 22};
    const int one = 1;
    struct total total;
    int minus = 0;
    memset(&total, 0x5a, sizeof total);
    struct forkcall_report report = add_in_child(&numbers, &total);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(total.sum, 42);
    assert_int_equal(total.untouched[59], 0);
    report = negate_in_child(&one, &minus);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(minus, -1);
    report = negate_in_child(&one, NULL); /* NULL: the answer is dropped. */
    assert_status(report, FORKCALL_OK);
}

/* The twin has a name of its own, which would tell the user nothing. */
static void wrapped_function_is_told_by_its_own_name(void **state)
{
    const int number = 2;
    (void)state;
    assert_string_equal(negate_in_child(&number, NULL).name, "negate");
}

static void result_of_a_wrapped_function_changes_only_on_OK(void **state)
{
    (void)state;
    struct total total;
    struct total before;
    memset(&total, 0x5a, sizeof total);
    before = total;
    struct forkcall_report report = add_in_child(&(const struct numbers){100, 1}, &total);
    assert_status(report, FORKCALL_FAILED);
    assert_int_equal(report.code, EDOM);
    assert_memory_equal(&total, &before, sizeof total);
    report = add_in_child(&(const struct numbers){200, 1}, &total);
    assert_status(report, FORKCALL_EXITED);
    assert_memory_equal(&total, &before, sizeof total);
    report = add_in_child(NULL, &total);
    assert_status(report, FORKCALL_NOT_STARTED);
    assert_memory_equal(&total, &before, sizeof total);
}

/* ---- The decorator with options -------------------------------------------------------------- */

static int tells_its_process(const int *hang, pid_t *pid)
{
    while (*hang)
        pause();
    *pid = getpid();
    return 0;
}

FORKCALL_WRAP_WITH(told_process, tells_its_process, int, pid_t);

static void wrapped_function_goes_by_the_callers_options(void **state)
{
    (void)state;
    const int yes = 1, no = 0;
    pid_t pid = 0;
    struct forkcall_report report = told_process(&no, &pid, NULL);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(pid, report.pid);
    assert_string_equal(report.name, "tells_its_process");
    const struct forkcall_options own_name = {.method = FORKCALL_INLINE, .name = "another"};
    report = told_process(&no, &pid, &own_name);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(pid, getpid());
    assert_string_equal(report.name, "another");
    const struct forkcall_options hurried = {.timeout_ms = 20};
    pid = -1;
    report = told_process(&yes, &pid, &hurried);
    assert_status(report, FORKCALL_TIMED_OUT);
    assert_int_equal(pid, -1);
    const struct forkcall_options small = {.max_result = sizeof pid - 1};
    report = told_process(&no, &pid, &small);
    assert_status(report, FORKCALL_TOO_BIG);
    assert_int_equal(pid, -1);
    assert_null(hurried.name); /* The caller's options are as they were. */
}

static void environment_chooses_the_method_of_a_wrapped_function_only_where_options_allow_it(void **state)
{
    (void)state;
    const struct forkcall_options allowed = {.allow_env = true};
    const struct forkcall_options refused = {.allow_env = false};
    const int no = 0;
    pid_t pid = 0;
    assert_int_equal(setenv("FORKCALL_METHOD", "inline", 1), 0);
    struct forkcall_report report = told_process(&no, &pid, &allowed);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(pid, getpid());
    report = told_process(&no, &pid, &refused);
    assert_status(report, FORKCALL_OK);
    assert_int_not_equal(pid, getpid());
    assert_int_equal(unsetenv("FORKCALL_METHOD"), 0);
}

/* A child that sets out to deceive may send what it likes. The host reads no byte that is not
 * there. */
static void result_of_another_size_is_none_for_a_wrapped_function(void **state)
{
    (void)state;
    const char args = 'a';
    int value = 5;
    struct forkcall_report report =
        forkcall_run_typed_private(child_returns_0, "short", &args, 1, &value, sizeof value, NULL);
    assert_status(report, FORKCALL_LOST);
    assert_string_equal(report.message, "the child sent a result of another size than its type has");
    report = forkcall_run_typed_private(child_echoes, "short", &args, 1, &value, sizeof value, NULL);
    assert_status(report, FORKCALL_LOST);
    assert_int_equal(value, 5);
}

static void function_called_directly(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    assert_int_equal(child_answers_42(NULL, 0, &result), 0);
    assert_int_equal(*(int *)result.data, 42);
    forkcall_buf_free(&result);
}

int main(void)
{
    /* By FORK this program does not call forkcall_init(), like a program that does not know of
     * it. */
    if (!method_shares_memory())
        forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_of_buf_limits_and_crash),
        cmocka_unit_test(layout_of_options),
        cmocka_unit_test(layout_of_map_options),
        cmocka_unit_test(layout_of_server_options),
        cmocka_unit_test(layout_of_report),
        cmocka_unit_test(layout_of_trace),
        cmocka_unit_test(numbers_of_enumerators),
        cmocka_unit_test(version_of_header_and_library),
        cmocka_unit_test(initialisers_are_all_zero),
        cmocka_unit_test(wrapped_functions),
        cmocka_unit_test(wrapped_function_is_told_by_its_own_name),
        cmocka_unit_test(result_of_a_wrapped_function_changes_only_on_OK),
        cmocka_unit_test(wrapped_function_goes_by_the_callers_options),
        cmocka_unit_test(environment_chooses_the_method_of_a_wrapped_function_only_where_options_allow_it),
        cmocka_unit_test(result_of_another_size_is_none_for_a_wrapped_function),
        cmocka_unit_test(function_called_directly),
    };
    return cmocka_run_group_tests_name("interface", tests, NULL, NULL);
}
