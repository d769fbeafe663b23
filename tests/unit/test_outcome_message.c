/* Tests what a report says in words of how a call ended and how far its function was, from facts
 * alone. No process is started. */
#include "call_facts.h"
#include "support.h"

#include "call/outcome.h"
#include "config.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- The kernel tells of a signal ------------------------------------------------------------ */

static void message_of_a_signal_has_the_best_reason(void **state)
{
    (void)state;
    ends_by(SIGKILL);
    facts.oom_kills = -1;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL,
           "killed by SIGKILL (by a process, or by the system, perhaps for want of memory)");
    facts.oom_kills = 0;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL, "killed by SIGKILL (by a process, or by the system)");
    facts.oom_kills = 1;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL,
           "killed by SIGKILL (possibly for lack of memory, for which its cgroup has lost 1 process since an earlier "
           "call)");
    facts.oom_kills = 3;
    ending.usage_known = true;
    ending.max_rss_bytes = UINT64_C(61) << 20;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL,
           "killed by SIGKILL (possibly for lack of memory, for which its cgroup has lost 3 processes since an earlier "
           "call; "
           "its peak was 61 MiB)");
    facts.oom_kills = -1;
    facts.cause = FC_CAUSE_MALFORMED; /* The library has sent SIGKILL. */
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL, "killed by SIGKILL");
    reply.malformed = true;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL, "the child sent a malformed reply and was killed by SIGKILL");
    reply.malformed = false;
    facts.cause = FC_CAUSE_NONE;
    options.limits.cpu_seconds = 2;
    ending.user_ns = 1500000000U;
    ending.system_ns = 1400000000U; /* the signal comes a second after the limit */
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL, "killed by SIGKILL: limits.cpu_seconds was reached");
    ending.system_ns = 1300000000U;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL, "killed by SIGKILL: perhaps limits.cpu_seconds was reached");
    ending.system_ns = 0;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL,
           "killed by SIGKILL (by a process, or by the system, perhaps for want of memory)");
    says_in_words("half way");
    reply.done = false;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGKILL, "half way (killed by SIGKILL)");
}

static void message_of_a_crash_has_the_address(void **state)
{
    (void)state;
    ends_by(SIGFPE);
    report.crash = (struct forkcall_crash){.signal = SIGFPE, .si_code = FPE_INTDIV, .address = 0x1234};
    decide();
    assert_non_null(strstr(report.message, "killed by SIGFPE (integer divi"));
    assert_non_null(strstr(report.message, " at 0x1234"));
    ends_by(SIGSEGV);
    report.crash = (struct forkcall_crash){
        .signal = SIGSEGV, .si_code = SEGV_MAPERR, .address = 0x1000, .flags = FORKCALL_CRASH_STACK_OVERFLOW};
    decide();
    assert_non_null(strstr(report.message, "killed by SIGSEGV (stack overflow) "));
    assert_non_null(strstr(report.message, " 0x1000"));
    report.crash.flags = FORKCALL_CRASH_MAPPED_IN_CALLER;
    decide();
    assert_non_null(strstr(report.message, "is mapped in the caller but not in the child (MADV_DONTFORK)"));
}

static void expect_at_16(const char *reason)
{
    char message[200];
    snprintf(message, sizeof message, "killed by SIGSEGV (%s) %s 0x10", reason,
             FC_FAULT_TELLS_PAGE_ONLY ? "in the page at" : "at");
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGSEGV, message);
}

static void message_of_a_crash_has_its_reason(void **state)
{
    (void)state;
    ends_by(SIGSEGV);
    report.crash = (struct forkcall_crash){
        .signal = SIGSEGV, .si_code = SEGV_MAPERR, .address = 0x10, .program_counter = 0x10, .register_count = 1};
    expect_at_16("jump to an address that is not mapped");
    report.crash.si_code = SEGV_ACCERR;
    expect_at_16("jump to memory that is no code");
    report.crash.register_count = 0; /* where the instruction is not known */
    expect_at_16("access not allowed");
#ifdef SI_KERNEL
    report.crash.si_code = SI_KERNEL;
    report.crash.address = 0;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGSEGV, "killed by SIGSEGV (no valid address)");
#endif
    report.crash = (struct forkcall_crash){.signal = 0};
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGSEGV,
           "killed by SIGSEGV (perhaps the stack of a thread has run out)");
}

static void message_of_a_signal_that_was_sent_names_the_sender(void **state)
{
    (void)state;
#ifdef FC_SENDER_IS_TOLD
    ends_by(SIGABRT);
    report.crash = (struct forkcall_crash){.signal = SIGABRT, .si_code = SI_USER, .sender_pid = 5, .sender_uid = 6};
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGABRT, "killed by SIGABRT (sent by process 5 of user 6)");
    report.crash.sender_pid = 77; /* abort(3) */
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGABRT, "killed by SIGABRT");
    report.crash.sender_pid = 0; /* in another process namespace */
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGABRT, "killed by SIGABRT (sent by a process)");
    options.limits.cpu_seconds = 2;
    ends_by(SIGXCPU);
    report.crash = (struct forkcall_crash){.signal = SIGXCPU, .si_code = SI_USER, .sender_pid = 77};
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGXCPU, "killed by SIGXCPU (sent by the function itself)");
    report.crash.si_code = SI_KERNEL;
    report.crash.sender_pid = 0;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGXCPU, "killed by SIGXCPU: limits.cpu_seconds was reached");
    options.limits.file_size_bytes = 1;
    ends_by(SIGXFSZ);
    report.crash = (struct forkcall_crash){.signal = SIGXFSZ, .si_code = SI_USER, .sender_pid = 5, .sender_uid = 6};
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGXFSZ, "killed by SIGXFSZ (sent by process 5 of user 6)");
    report.crash.sender_pid = 77; /* by Linux, in the name of the process */
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGXFSZ, "killed by SIGXFSZ: limits.file_size_bytes was reached");
    ends_by(SIGSEGV);
    report.crash = (struct forkcall_crash){.signal = SIGSEGV, .si_code = SI_USER, .sender_pid = 77};
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGSEGV, "killed by SIGSEGV (sent by the function itself)");
#endif
}

#define THROWN(type) "terminate called after throwing an instance of '" type "'\n"

/* What the child's notice says in words is looked at only if there is a notice. */
static void message_of_an_abort_has_what_the_child_says_of_it(void **state)
{
    struct fc_crash_notice notice;
    /* Lines of a log, and of another process or an exception before. */
    static const char *const others[] = {"a reply:\n  what():  hello\n", THROWN("other") "  what():  hello\n",
                                         THROWN("?") "  what():  hello\n" THROWN("?") "bye\n",
                                         THROWN("?") "a line\n  what():  hello\n"};
    (void)state;
    memset(&notice, 0, sizeof notice);
    notice.abort_kind = FC_ABORT_TEXT;
    memset(notice.abort_text, 'x', sizeof notice.abort_text); /* has no end */
    ends_by(SIGABRT);
    report.crash = (struct forkcall_crash){.signal = SIGABRT};
    reply.crash = forkcall_buf_fixed(&notice, sizeof notice);
    assert_non_null(forkcall_buf_extend(&reply.crash, sizeof notice));
    reply.has_crash = true;
    decide();
    assert_int_equal(strspn(report.message + strlen("killed by SIGABRT ("), "x"), sizeof notice.abort_text - 1);
    snprintf(notice.abort_text, sizeof notice.abort_text, "double free\nand more");
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGABRT, "killed by SIGABRT (double free)");
    notice.abort_kind = FC_ABORT_EXCEPTION;
    snprintf(notice.abort_text, sizeof notice.abort_text, "?");
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGABRT, "killed by SIGABRT (C++ exception ?)");
    facts.stderr_tail = THROWN("?") "  what():  old\n" THROWN("?") "  what():  no chunk 4\nbye\n";
    facts.stderr_tail_size = strlen(facts.stderr_tail);
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGABRT, "killed by SIGABRT (C++ exception ?: no chunk 4)");
    facts.stderr_tail_size -= strlen("k 4\nbye\n");
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGABRT, "killed by SIGABRT (C++ exception ?: no chun)");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        facts.stderr_tail = others[i];
        facts.stderr_tail_size = strlen(others[i]);
        expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGABRT, "killed by SIGABRT (C++ exception ?)");
    }
    report.crash.sender_pid = report.pid;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGABRT, "killed by SIGABRT (C++ exception ?)");
    report.crash.si_code = SI_USER;
    report.crash.sender_pid = 5; /* while the function handled that exception */
    decide();
    assert_null(strstr(report.message, "exception"));
    report.crash = (struct forkcall_crash){.signal = SIGABRT};
    memset(notice.exception_text, 'y', sizeof notice.exception_text); /* has no end */
    decide();
    assert_int_equal(strspn(report.message + strlen("killed by SIGABRT (C++ exception ?: "), "y"),
                     sizeof notice.exception_text - 1);
    notice.system_call = 41;
    ends_by(SIGSYS);
    report.crash = (struct forkcall_crash){.signal = SIGSYS, .si_code = 1};
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGSYS, "killed by SIGSYS (system call 41 is not allowed)");
    reply.has_crash = false;
    expect(FORKCALL_SIGNALED, FORKCALL_RAN_YES, SIGSYS, "killed by SIGSYS");
}

/* ---- Progress -------------------------------------------------------------------------------- */

static struct fc_last_progress progress_of(double done, double total, const char *note)
{
    struct fc_last_progress progress = {.numbers = {.done = done, .total = total}};
    snprintf(progress.note, sizeof progress.note, "%s", note);
    return progress;
}

static void message_says_how_far_the_function_was(void **state)
{
    (void)state;
    static const struct {
        double done, total;
        const char *note, *words;
    } cases[] = {
        {37, 100, "parsing chunk 12", "at 37 %: parsing chunk 12"},
        {999, 1000, "", "at 99 %"},
        {0, 5, "", "at 0 %"},
        {5, 5, "", "at 100 %"},
        {1e300, 1e308, "", "at 0 %"},
        {12, 0, "chunks", "at 12: chunks"},
        {1500000, 0, "bytes", "at 1500000: bytes"},
        {9007199254740992.0, 0, "", "at 9007199254740992"},
        {-9007199254740992.0, 9007199254740991.0, "", "at -9007199254740992 of 9007199254740991"},
        {0.5, 0, "", "at 0.5"},
        {1e300, 0, "", "at 1e+300"},
        {-HUGE_VAL, 1500000, "", "at -inf of 1500000"},
        {-0.0, -0.0, "", "at 0"},
        {7, 5, "", "at 7 of 5"},
        {-1, 5, "", "at -1 of 5"},
        {1, -5, "", "at 1 of -5"},
        {1, 2, "\033[2Jcleared\nlines\xff", "at 50 %:  [2Jcleared lines?"},
        {1, 2, "%s%n", "at 50 %: %s%n"},
    };
    options.timeout_ms = 500;
    facts.cause = FC_CAUSE_TIMEOUT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct fc_last_progress progress = progress_of(cases[i].done, cases[i].total, cases[i].note);
        char wanted[200];
        facts.progress = &progress;
        snprintf(wanted, sizeof wanted, "no answer within 500 ms, %s", cases[i].words);
        expect(FORKCALL_TIMED_OUT, FORKCALL_RAN_YES, 0, wanted);
    }
}

static void note_leaves_room_for_the_rest_of_the_message(void **state)
{
    (void)state;
    char note[256];
    memset(note, 'x', 255);
    note[255] = '\0';
    memcpy(note + 99, "\xc3\xa4", 2); /* a character that lies across the bound */
    const struct fc_last_progress progress = progress_of(1, 2, note);
    facts.progress = &progress;
    facts.cause = FC_CAUSE_CANCEL;
    decide();
    assert_true(strlen(report.message) < 160);
    assert_non_null(strstr(report.message, "xx…"));
}

static void answer_is_told_without_progress(void **state)
{
    (void)state;
    const struct fc_last_progress progress = progress_of(1, 2, "half");
    facts.progress = &progress;
    says(FC_END_RETURNED, 0);
    expect(FORKCALL_OK, FORKCALL_RAN_YES, 0, "");
    says(FC_END_RETURNED, 7);
    expect(FORKCALL_FAILED, FORKCALL_RAN_YES, 7, "the function returned 7");
    says(FC_END_EXITED, 3);
    expect(FORKCALL_EXITED, FORKCALL_RAN_YES, 3, "the function called exit(3), at 50 %: half");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(message_of_a_signal_has_the_best_reason, begin_anew),
        cmocka_unit_test_setup(message_of_a_crash_has_the_address, begin_anew),
        cmocka_unit_test_setup(message_of_a_crash_has_its_reason, begin_anew),
        cmocka_unit_test_setup(message_of_a_signal_that_was_sent_names_the_sender, begin_anew),
        cmocka_unit_test_setup(message_of_an_abort_has_what_the_child_says_of_it, begin_anew),
        cmocka_unit_test_setup(message_says_how_far_the_function_was, begin_anew),
        cmocka_unit_test_setup(note_leaves_room_for_the_rest_of_the_message, begin_anew),
        cmocka_unit_test_setup(answer_is_told_without_progress, begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
