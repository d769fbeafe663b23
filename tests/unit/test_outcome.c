/* Tests how the outcome of a call is decided from facts alone: its status, whether the function
 * ran, its code and its usage. No process is started. */
#include "call_facts.h"
#include "support.h"

#include "call/outcome.h"
#include "child/run.h"
#include "exec/exec_self.h"
#include "os/start_gate.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* ---- The child's last frame ------------------------------------------------------------------ */

static void return_of_0_is_ok(void **state)
{
    (void)state;
    says(FC_END_RETURNED, 0);
    expect(FORKCALL_OK, FORKCALL_RAN_YES, 0, "");
    assert_int_equal(by, FC_DECIDED_BY_TRAILER);
    assert_int_equal(report.wait_status, -1);
    ends_by(exited(0));
    decide();
    assert_int_equal(report.wait_status, 0);
}

static void result_that_the_host_cannot_have_is_no_ok(void **state)
{
    (void)state;
    says(FC_END_RETURNED, 0);
    facts.result_error = -ENOMEM;
    expect(FORKCALL_TOO_BIG, FORKCALL_RAN_YES, ENOMEM, "no memory for the result");
    facts.result_error = -EPROTO;
    expect(FORKCALL_LOST, FORKCALL_RAN_YES, 0, "the child has taken its result back");
}

static void failure_has_its_own_words_or_its_code(void **state)
{
    (void)state;
    says(FC_END_RETURNED, 3);
    expect(FORKCALL_FAILED, FORKCALL_RAN_YES, 3, "the function returned 3");
    says_in_words("no such row");
    expect(FORKCALL_FAILED, FORKCALL_RAN_YES, 3, "no such row");
    says(FC_END_NO_MEMORY, ENOMEM);
    expect(FORKCALL_FAILED, FORKCALL_RAN_YES, ENOMEM,
           "the function returned 0 after there had been no memory for its result");
    says_in_words(" \n ");
    says(FC_END_RETURNED, -5);
    expect(FORKCALL_FAILED, FORKCALL_RAN_YES, -5, "the function returned -5");
}

static void result_above_the_limit_is_too_big(void **state)
{
    (void)state;
    says(FC_END_TOO_BIG, 0);
    expect(FORKCALL_TOO_BIG, FORKCALL_RAN_YES, EFBIG, "the result is larger than 1000 bytes");
}

static void exit_of_the_function_is_told(void **state)
{
    (void)state;
    says(FC_END_EXITED, 7);
    expect(FORKCALL_EXITED, FORKCALL_RAN_YES, 7, "the function called exit(7)");
    says(FC_END_THREAD_EXIT, 0);
    expect(FORKCALL_EXITED, FORKCALL_RAN_YES, 0, "the function's thread ended by pthread_exit()");
    says(FC_END_EXITED_UNKNOWN, 0);
    expect(FORKCALL_EXITED, FORKCALL_RAN_YES, 0, "the function called exit() or quick_exit(); the status is not known");
    says_in_words("bye");
    expect(FORKCALL_EXITED, FORKCALL_RAN_YES, 0, "bye");
    says_in_words("\n"); /* only a child that sets out to deceive says so */
    expect(FORKCALL_EXITED, FORKCALL_RAN_YES, 0, "the function called exit() or quick_exit(); the status is not known");
}

/* ---- The library has ended the call ---------------------------------------------------------- */

static void answer_counts_though_the_time_was_over(void **state)
{
    static const enum fc_cause causes[] = {FC_CAUSE_TIMEOUT, FC_CAUSE_CANCEL};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        facts.cause = causes[i];
        says(FC_END_RETURNED, 0);
        expect(FORKCALL_OK, FORKCALL_RAN_YES, 0, "");
        assert_true(fc_outcome_is_answer(&reply, causes[i], 0));
        says(FC_END_RETURNED, 2);
        expect(FORKCALL_FAILED, FORKCALL_RAN_YES, 2, "the function returned 2");
        assert_true(fc_outcome_is_answer(&reply, causes[i], 0));
        says(FC_END_TOO_BIG, 0);
        expect(FORKCALL_TOO_BIG, FORKCALL_RAN_YES, EFBIG, "the result is larger than 1000 bytes");
        says(FC_END_NO_MEMORY, ENOMEM);
        decide();
        assert_int_equal(report.status, FORKCALL_FAILED);
    }
}

static void exit_in_a_handler_of_sigterm_is_no_answer(void **state)
{
    (void)state;
    options.timeout_ms = 50;
    facts.cause = FC_CAUSE_TIMEOUT;
    for (int end = FC_END_EXITED; end <= FC_END_THREAD_EXIT; end++) {
        says((enum fc_end)end, 0);
        expect(FORKCALL_TIMED_OUT, FORKCALL_RAN_YES, 0, "no answer within 50 ms");
        assert_false(fc_outcome_is_answer(&reply, FC_CAUSE_TIMEOUT, 0));
        assert_int_equal(by, FC_DECIDED_BY_CAUSE);
    }
    facts.cause = FC_CAUSE_CANCEL;
    expect(FORKCALL_CANCELED, FORKCALL_RAN_YES, 0, "canceled by the caller");
}

static void cause_decides_where_there_is_no_answer(void **state)
{
    (void)state;
    ends_by(SIGKILL);
    facts.cause = FC_CAUSE_NO_MEMORY;
    expect(FORKCALL_TOO_BIG, FORKCALL_RAN_YES, ENOMEM, "no memory for the result");
    facts.cause = FC_CAUSE_CLOSED;
    expect(FORKCALL_LOST, FORKCALL_RAN_YES, 0, "this process has closed the descriptors of the call while it ran");
    facts.cause = FC_CAUSE_CANCEL;
    has_not_begun();
    expect(FORKCALL_CANCELED, FORKCALL_RAN_NO, 0, "canceled by the caller");
}

static void only_ok_and_failed_are_answers(void **state)
{
    (void)state;
    assert_false(fc_outcome_is_answer(&reply, FC_CAUSE_NONE, 0));
    says(FC_END_RETURNED, 0);
    assert_true(fc_outcome_is_answer(&reply, FC_CAUSE_NONE, 0));
    assert_false(fc_outcome_is_answer(&reply, FC_CAUSE_NONE, -EPROTO));
    says(FC_END_RETURNED, 1);
    assert_true(fc_outcome_is_answer(&reply, FC_CAUSE_NONE, 0));
    says(FC_END_NO_MEMORY, ENOMEM);
    assert_true(fc_outcome_is_answer(&reply, FC_CAUSE_NONE, 0));
    says(FC_END_TOO_BIG, 0);
    assert_false(fc_outcome_is_answer(&reply, FC_CAUSE_NONE, 0));
    says(FC_END_EXITED, 0);
    assert_false(fc_outcome_is_answer(&reply, FC_CAUSE_NONE, 0));
}

/* ---- The function was not called ------------------------------------------------------------- */

static void child_that_could_not_be_made_ready_has_not_run(void **state)
{
    static const struct {
        uint32_t step;
        const char *message;
    } steps[] = {
        {FC_SETUP_STREAMS, "standard streams: Operation not permitted"},
        {FC_SETUP_CLOSE_FDS, "close_fds: Operation not permitted"},
        {FC_SETUP_LIMITS, "limits: Operation not permitted"},
        {FC_SETUP_ARGS, "memory for the arguments: Operation not permitted"},
        {FC_SETUP_PREPARE, "prepare: Operation not permitted"},
        {FC_SETUP_CREDENTIALS, "credentials: Operation not permitted"},
        {FC_SETUP_GROUP, "share_group: Operation not permitted"},
        {12345, "making the child ready: Operation not permitted"},
    };
    (void)state;
    has_not_begun();
    ends_by(exited(1));
    reply.setup_failed = true;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        reply.setup = (struct fc_setup_failure){.step = steps[i].step, .error = EPERM};
        expect(FORKCALL_NOT_STARTED, FORKCALL_RAN_NO, EPERM, steps[i].message);
        assert_int_equal(by, FC_DECIDED_BY_SETUP);
    }
    says_in_words("the plugin is gone");
    expect(FORKCALL_NOT_STARTED, FORKCALL_RAN_NO, EPERM, "the plugin is gone");
}

static void child_that_ran_cannot_deny_it(void **state)
{
    (void)state;
    if (!fc_start_gate_tells())
        SKIP("only the child tells here that it has begun");
    reply.setup_failed = true;
    reply.setup = (struct fc_setup_failure){.step = FC_SETUP_LIMITS, .error = EPERM};
    ends_by(exited(1));
    expect(FORKCALL_EXITED, FORKCALL_RAN_YES, 1,
           "the child ended with exit status 1 before the function returned; its reply was malformed");
    ends_by(SIGSEGV);
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGSEGV, "the child sent a malformed reply and was killed by SIGSEGV");
    ending.status_known = false;
    expect(FORKCALL_LOST, FORKCALL_RAN_YES, 0,
           "the child is gone, and its end was seen by somebody else; its reply was malformed");
}

static void child_that_was_not_told_to_begin_has_not_run(void **state)
{
    (void)state;
    facts.start_error = EPIPE;
    ends_by(SIGKILL);
    expect(FORKCALL_NOT_STARTED, FORKCALL_RAN_NO, EPIPE, "telling the child to begin: Broken pipe");
    options.timeout_ms = 9;
    facts.cause = FC_CAUSE_TIMEOUT;
    expect(FORKCALL_TIMED_OUT, FORKCALL_RAN_NO, 0, "no answer within 9 ms");
}

static void start_that_cannot_be_seen_is_unknown(void **state)
{
    (void)state;
    ends_by(SIGKILL);
    reply.started = false;
    facts.start_left = -1;
    /* On some systems only the reply tells whether the function was called, and this reply is
     * malformed. */
    reply.malformed = true;
    decide();
    assert_int_equal(report.ran, FORKCALL_RAN_UNKNOWN);
    reply.malformed = false;
    facts.cause = FC_CAUSE_CLOSED;
    decide();
    assert_int_equal(report.ran, FORKCALL_RAN_UNKNOWN);
    facts.cause = FC_CAUSE_NONE;
    decide();
    assert_int_equal(report.ran, fc_start_gate_tells() ? FORKCALL_RAN_UNKNOWN : FORKCALL_RAN_NO);
    facts.start_left = (long)FC_START_GATE_WITNESS;
    reply.started = true;
    decide();
    /* The go byte was read, but the bytes behind it were not, so the function has run. */
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
    says(FC_END_RETURNED, 0);
    facts.start_left = START_SIZE;
    decide();
    /* A child that has answered has run, even if the start gate says that it has not. */
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
}

static void inline_call_has_run(void **state)
{
    (void)state;
    facts.method = FORKCALL_INLINE;
    facts.cause = FC_CAUSE_CANCEL;
    facts.start_left = -1;
    reply.started = false;
    expect(FORKCALL_CANCELED, FORKCALL_RAN_YES, 0, "canceled by the caller");
}

/* ---- Re-executed programs -------------------------------------------------------------------- */

static void program_that_does_not_come_to_forkcall_init_is_told(void **state)
{
    (void)state;
    facts.awaited_ready = true;
    facts.shares_addresses = false;
    facts.method = FORKCALL_SPAWN;
    has_not_begun();
    facts.start_left = START_SIZE;
    ends_by(exited(3));
    decide();
    assert_int_equal(by, FC_DECIDED_BY_NOT_READY);
    assert_int_equal(report.status, FORKCALL_NOT_STARTED);
    assert_int_equal(report.ran, FORKCALL_RAN_NO);
    assert_int_equal(report.code, ENOEXEC);
    assert_non_null(strstr(report.message, "exit status 3 before it reached forkcall_init()"));
    ends_by(exited(FC_EXIT_REPLACED));
    decide();
    assert_int_equal(report.code, ESTALE);
    ends_by(exited(FC_EXIT_PRIVILEGED));
    decide();
    assert_int_equal(report.code, EPERM);
    ending.status_known = false;
    decide();
    assert_int_equal(report.code, ENOEXEC);
    assert_non_null(strstr(report.message, "ended before it reached forkcall_init()"));
    facts.cause = FC_CAUSE_NOT_READY;
    ends_by(SIGKILL);
    decide();
    assert_int_equal(by, FC_DECIDED_BY_NOT_READY);
    assert_int_equal(report.code, ETIMEDOUT);
    assert_non_null(strstr(report.message, "did not reach forkcall_init() in time"));
    facts.start_error = ETIMEDOUT;
    decide();
    assert_int_equal(by, FC_DECIDED_BY_NOT_READY);
    assert_int_equal(report.code, ETIMEDOUT);
}

static void program_that_is_ready_ends_like_any_other(void **state)
{
    (void)state;
    facts.awaited_ready = true;
    facts.shares_addresses = false;
    has_not_begun();
    ends_by(exited(3));
    facts.start_left = START_SIZE;
    reply.ready = true;
    expect(FORKCALL_EXITED, FORKCALL_RAN_NO, 3, "the child ended with exit status 3 before the function was called");
    reply.ready = false;
    facts.start_left = START_SIZE - 1;
    expect(FORKCALL_EXITED, FORKCALL_RAN_NO, 3, "the child ended with exit status 3 before the function was called");
    assert_int_equal(by, FC_DECIDED_BY_KERNEL);
    has_begun();
    expect(FORKCALL_EXITED, FORKCALL_RAN_YES, 3,
           "the child ended with exit status 3 before the function and its handlers of atexit() returned");
    assert_true(fc_outcome_is_ready(&reply, START_SIZE, 0));
    assert_false(fc_outcome_is_ready(&reply, START_SIZE, START_SIZE));
    assert_false(fc_outcome_is_ready(&reply, START_SIZE, -1));
}

/* ---- What the kernel says -------------------------------------------------------------------- */

static void exit_without_an_answer_is_told(void **state)
{
    (void)state;
    ends_by(exited(4));
    expect(FORKCALL_EXITED, FORKCALL_RAN_YES, 4, "the child ended with exit status 4 before the function returned");
    assert_int_equal(report.wait_status, exited(4));
    has_not_begun();
    expect(FORKCALL_EXITED, FORKCALL_RAN_NO, 4, "the child ended with exit status 4 before the function was called");
}

static void child_that_nobody_has_seen_is_lost(void **state)
{
    (void)state;
    expect(FORKCALL_LOST, FORKCALL_RAN_YES, 0, "the child is gone, and its end was seen by somebody else");
    facts.has_server = true;
    expect(FORKCALL_LOST, FORKCALL_RAN_YES, 0, "the child is gone, and its server does not tell how");
    report.crash.signal = SIGSEGV; /* The child itself has reported the crash. */
    decide();
    assert_int_equal(report.status, FORKCALL_SIGNALED);
    assert_int_equal(report.code, SIGSEGV);
}

static void child_that_has_closed_its_reply_is_lost(void **state)
{
    (void)state;
    ends_by(FC_MUTE_SIGNAL);
    expect(FORKCALL_LOST, FORKCALL_RAN_YES, 0, "the function has closed the descriptor that its answer goes through");
    has_not_begun();
    decide();
    assert_int_equal(report.status, FORKCALL_SIGNALED); /* Another process has sent this signal. */
    assert_int_equal(report.code, FC_MUTE_SIGNAL);
}

static void crash_is_true_where_the_kernel_says_the_same(void **state)
{
    struct forkcall_crash crash = {.signal = SIGSEGV};
    (void)state;
    /* As long as the kernel has not said how the child ended, the child is believed. */
    assert_true(fc_outcome_crash_is_true(&crash, &ending));
    ends_by(SIGSEGV);
    assert_true(fc_outcome_crash_is_true(&crash, &ending));
    ends_by(SIGKILL);
    assert_false(fc_outcome_crash_is_true(&crash, &ending));
    ends_by(exited(SIGSEGV));
    assert_false(fc_outcome_crash_is_true(&crash, &ending));
    ending.status_known = false;
    crash.signal = SIGUSR1; /* SIGUSR1 is not caught, so the child must have made up the crash. */
    assert_false(fc_outcome_crash_is_true(&crash, &ending));
}

/* ---- Usage ----------------------------------------------------------------------------------- */

static void usage_is_that_of_the_kernel_or_of_the_child(void **state)
{
    (void)state;
    says(FC_END_RETURNED, 0);
    decide();
    assert_false(report.usage_known);
    reply.trailer.usage_known = 1;
    reply.trailer.user_ns = 1;
    reply.trailer.system_ns = 2;
    reply.trailer.max_rss_bytes = 3;
    decide();
    assert_false(report.usage_known); /* The kernel was not asked for the usage. */
    facts.measured = true;
    decide();
    assert_true(report.usage_known);
    assert_int_equal(report.user_ns, 1);
    assert_int_equal(report.system_ns, 2);
    assert_int_equal(report.max_rss_bytes, 3);
    ending =
        (struct fc_ending){.wait_status = -1, .usage_known = true, .user_ns = 10, .system_ns = 20, .max_rss_bytes = 30};
    decide();
    assert_int_equal(report.user_ns, 10);
    assert_int_equal(report.system_ns, 20);
    assert_int_equal(report.max_rss_bytes, 30);
    reply.done = false;
    ending.usage_known = false;
    decide();
    assert_false(report.usage_known);
}

static void peak_of_the_host_is_not_told_as_that_of_the_child(void **state)
{
    (void)state;
    ending = (struct fc_ending){.wait_status = -1, .usage_known = true, .max_rss_bytes = 30};
    facts.host_peak_bytes = 30;
    decide();
    assert_int_equal(report.max_rss_bytes, 0);
    facts.host_peak_bytes = 29;
    decide();
    assert_int_equal(report.max_rss_bytes, 30);
    says(FC_END_RETURNED, 0);
    decide();
    assert_int_equal(report.max_rss_bytes, 30);
    reply.trailer.usage_known = 1;
    reply.trailer.max_rss_bytes = 12;
    decide();
    assert_int_equal(report.max_rss_bytes, 12); /* The child's own number takes precedence. */
    facts.host_peak_bytes = 0;
    decide();
    assert_int_equal(report.max_rss_bytes, 30); /* A peak of 0: it does not survive exec. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(return_of_0_is_ok, begin_anew),
        cmocka_unit_test_setup(result_that_the_host_cannot_have_is_no_ok, begin_anew),
        cmocka_unit_test_setup(failure_has_its_own_words_or_its_code, begin_anew),
        cmocka_unit_test_setup(result_above_the_limit_is_too_big, begin_anew),
        cmocka_unit_test_setup(exit_of_the_function_is_told, begin_anew),
        cmocka_unit_test_setup(answer_counts_though_the_time_was_over, begin_anew),
        cmocka_unit_test_setup(exit_in_a_handler_of_sigterm_is_no_answer, begin_anew),
        cmocka_unit_test_setup(cause_decides_where_there_is_no_answer, begin_anew),
        cmocka_unit_test_setup(only_ok_and_failed_are_answers, begin_anew),
        cmocka_unit_test_setup(child_that_could_not_be_made_ready_has_not_run, begin_anew),
        cmocka_unit_test_setup(child_that_ran_cannot_deny_it, begin_anew),
        cmocka_unit_test_setup(child_that_was_not_told_to_begin_has_not_run, begin_anew),
        cmocka_unit_test_setup(start_that_cannot_be_seen_is_unknown, begin_anew),
        cmocka_unit_test_setup(inline_call_has_run, begin_anew),
        cmocka_unit_test_setup(program_that_does_not_come_to_forkcall_init_is_told, begin_anew),
        cmocka_unit_test_setup(program_that_is_ready_ends_like_any_other, begin_anew),
        cmocka_unit_test_setup(exit_without_an_answer_is_told, begin_anew),
        cmocka_unit_test_setup(child_that_nobody_has_seen_is_lost, begin_anew),
        cmocka_unit_test_setup(child_that_has_closed_its_reply_is_lost, begin_anew),
        cmocka_unit_test_setup(crash_is_true_where_the_kernel_says_the_same, begin_anew),
        cmocka_unit_test_setup(usage_is_that_of_the_kernel_or_of_the_child, begin_anew),
        cmocka_unit_test_setup(peak_of_the_host_is_not_told_as_that_of_the_child, begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
