/* Tests that the message of a call whose function has not returned says how far the function
 * was. */
#include "call/call.h"
#include "support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum end { RETURNS, FAILS, IS_KILLED, CRASHES, ABORTS, EXITS, ENDS, HANGS };

struct course {
    enum end end;
    int reports; /* how many before the last one */
};

static int child_reports_and_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct course *course = args;
    (void)args_size;
    for (int i = 0; i < course->reports; i++)
        forkcall_progress(i, course->reports, "a note of which there are many, so that the channel fills soon");
    forkcall_progress(37, 100, "parsing chunk 12");
    switch (course->end) {
    case RETURNS:
        return forkcall_buf_append(result, "done", 4);
    case FAILS:
        return forkcall_fail(7, "no chunk");
    case IS_KILLED:
        return kill(getpid(), SIGKILL);
    case CRASHES:
        return raise(SIGSEGV);
    case ABORTS:
        abort();
    case EXITS:
        exit(3); // NOLINT(concurrency-mt-unsafe): what is tested
    case ENDS:
        _exit(4);
    case HANGS:
        break;
    }
    for (;;)
        pause();
}

static struct forkcall_report run(struct course course, const struct forkcall_options *options)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = run_tested(child_reports_and_ends, &course, sizeof course, &result, options);
    forkcall_buf_free(&result);
    return report;
}

static bool tells_the_last(const struct forkcall_report *report)
{
    return strstr(report->message, ", at 37 %: parsing chunk 12") != NULL;
}

static int hear(void *user, double done, double total, const char *note)
{
    (void)total;
    (void)note;
    (void)done;
    ++*(int *)user;
    return 0;
}

static void end_is_told_with_the_last_progress(void **state)
{
    (void)state;
    static const struct {
        enum end end;
        enum forkcall_status status;
    } ends[] = {{IS_KILLED, FORKCALL_SIGNALED}, {CRASHES, FORKCALL_SIGNALED}, {ABORTS, FORKCALL_SIGNALED},
                {EXITS, FORKCALL_EXITED},       {ENDS, FORKCALL_EXITED},      {HANGS, FORKCALL_TIMED_OUT}};
    for (size_t i = 0; i < 2 * sizeof ends / sizeof *ends; i++) {
        const bool hangs = ends[i / 2].end == HANGS;
        if (ends[i / 2].end == CRASHES && under_sanitizer())
            continue; /* the sanitizer's own handler ends the child */
        int heard = 0;
        struct forkcall_options options = {.timeout_ms = hangs ? 30 : DEADLINE_S * 1000,
                                           .progress = i % 2 == 0 ? NULL : hear,
                                           .user = &heard,
                                           .limits.core_bytes = FORKCALL_LIMIT_ZERO};
        struct forkcall_report report = run((struct course){ends[i / 2].end, 0}, &options);
        /* On a busy machine a child may not come to its report in time. */
        for (; hangs && !tells_the_last(&report) && options.timeout_ms < 10000 * time_factor(); options.timeout_ms *= 2)
            report = run((struct course){HANGS, 0}, &options);
        assert_status(report, ends[i / 2].status);
        if (!tells_the_last(&report))
            fail_msg("end %d: %s", ends[i / 2].end, report.message);
    }
}

static void canceled_call_is_told_with_the_last_progress(void **state)
{
    (void)state;
    const struct course course = {HANGS, 0};
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
    struct forkcall_report report = {.status = FORKCALL_OK};
    for (int ms = 30; !tells_the_last(&report) && ms < 10000 * time_factor(); ms *= 2) {
        struct forkcall_call *call;
        assert_int_equal(start_tested(&call, child_reports_and_ends, &course, sizeof course, NULL, &options), 0);
        assert_int_equal(forkcall_wait(call, ms), 0);
        assert_int_equal(forkcall_cancel(call), 0);
        report = forkcall_finish(call);
        assert_status(report, FORKCALL_CANCELED);
    }
    assert_true(tells_the_last(&report));
}

/* Of so many reports most are not sent. */
#define MANY 2000

static void last_of_many_reports_is_told_by_a_child_that_crashes_or_exits(void **state)
{
    (void)state;
    static const enum end ends[] = {EXITS, ABORTS, CRASHES};
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000, .limits.core_bytes = FORKCALL_LIMIT_ZERO};
    /* A sanitizer's own handlers know nothing of reports. */
    for (size_t i = 0; i < (under_sanitizer() ? 1 : sizeof ends / sizeof *ends); i++) {
        const struct forkcall_report report = run((struct course){ends[i], MANY}, &options);
        if (!tells_the_last(&report))
            fail_msg("end %d: %s", ends[i], report.message);
    }
}

static void some_of_many_reports_is_told_by_a_child_that_is_killed(void **state)
{
    (void)state;
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
    const struct forkcall_report report = run((struct course){IS_KILLED, MANY}, &options);
    assert_status(report, FORKCALL_SIGNALED);
    assert_non_null(strstr(report.message, ", at "));
}

static void answer_is_told_without_progress(void **state)
{
    (void)state;
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
    const struct forkcall_report ok = run((struct course){RETURNS, 3}, &options);
    assert_status(ok, FORKCALL_OK);
    assert_string_equal(ok.message, "");
    const struct forkcall_report failed = run((struct course){FAILS, 3}, &options);
    assert_status(failed, FORKCALL_FAILED);
    assert_string_equal(failed.message, "no chunk");
}

static void next_call_of_a_child_has_no_progress_of_the_one_before(void **state)
{
    (void)state;
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
    const struct forkcall_report before = run((struct course){RETURNS, 200}, &options);
    assert_status(before, FORKCALL_OK);
    const struct forkcall_report report = run_tested(child_kills_itself, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_SIGNALED);
    assert_null(strstr(report.message, ", at "));
}

/* Reports for which nobody listens must neither fill the channel nor wait for the host, which reads
 * nothing before it gets the byte. */
static int child_reports_much_then_tells(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int fd = *(const int *)args;
    (void)args_size;
    for (int i = 0; i < MANY; i++)
        forkcall_progress(i, MANY, "a note of which there are many, so that the channel fills soon");
    if (forkcall_buf_append(result, "done", 4) < 0)
        return 1;
    return write(fd, "x", 1) == 1 ? 0 : 2;
}

static void reports_that_nobody_hears_leave_room_in_the_channel(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_call *call;
    char byte;
    int ends[2], unread;
    assert_int_equal(pipe(ends), 0);
    const struct forkcall_options options = {
        .timeout_ms = DEADLINE_S * 1000, .keep_fds = &ends[1], .keep_fds_count = 1};
    assert_int_equal(start_tested(&call, child_reports_much_then_tells, &ends[1], sizeof *ends, &result, &options), 0);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(ioctl(call->fds.fd[FC_FD_REPLY], FIONREAD, &unread), 0);
    assert_in_range(unread, 1, 32768);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, 4);
    forkcall_buf_free(&result);
    close(ends[0]);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_is_told_with_the_last_progress),
        cmocka_unit_test(canceled_call_is_told_with_the_last_progress),
        cmocka_unit_test(last_of_many_reports_is_told_by_a_child_that_crashes_or_exits),
        cmocka_unit_test(some_of_many_reports_is_told_by_a_child_that_is_killed),
        cmocka_unit_test(answer_is_told_without_progress),
        cmocka_unit_test(next_call_of_a_child_has_no_progress_of_the_one_before),
        cmocka_unit_test(reports_that_nobody_hears_leave_room_in_the_channel),
    };
    return cmocka_run_group_tests_name("last_progress", tests, NULL, NULL);
}
