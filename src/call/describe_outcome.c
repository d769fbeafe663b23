/* HOST: Says in words what became of a call. */
#include "call/outcome.h"

#include "base/report_message.h"
#include "base/rlimits.h"
#include "child/run.h"
#include "config.h"
#include "exec/exec_self.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *step_name(uint32_t step)
{
    switch (step) {
    case FC_SETUP_STREAMS:
        return "standard streams";
    case FC_SETUP_CLOSE_FDS:
        return "close_fds";
    case FC_SETUP_LIMITS:
        return "limits";
    case FC_SETUP_GO:
        return "telling the child to begin";
    case FC_SETUP_FUNCTION:
        return "finding the function in the child";
    case FC_SETUP_ARGS:
        return "memory for the arguments";
    case FC_SETUP_PREPARE:
        return "prepare";
    case FC_SETUP_CREDENTIALS:
        return "credentials";
    case FC_SETUP_GROUP:
        return "share_group";
    default:
        return "making the child ready";
    }
}

/* The function's own words, as far as there are any. */
static bool say_its_own(const struct forkcall_buf *message, struct forkcall_report *report)
{
    if (message->size > 0)
        fc_report_message_bytes(report, message->data, message->size);
    return message->size > 0;
}

static void describe_failed(const struct fc_facts *facts, struct forkcall_report *report)
{
    if (facts->reply->done && facts->reply->trailer.end == FC_END_NO_MEMORY)
        fc_report_message(report, FC_NO_MEMORY_MESSAGE);
    else
        say_its_own(&facts->reply->message, report);
    if (report->message[0] == '\0')
        fc_report_message(report, "the function returned %d", report->code);
}

static void describe_exited(const struct fc_facts *facts, struct forkcall_report *report)
{
    const struct fc_reply *reply = facts->reply;
    const bool runs_handlers = !facts->shares_addresses;
    if (!reply->done)
        fc_report_message(report, "the child ended with exit status %d before the function %s%s", report->code,
                          report->ran == FORKCALL_RAN_NO ? "was called"
                          : runs_handlers                ? "and its handlers of atexit() returned"
                                                         : "returned",
                          fc_outcome_reply_is_malformed(facts, report->ran) ? "; its reply was malformed" : "");
    else if (say_its_own(&reply->message, report))
        return;
    else if (reply->trailer.end == FC_END_EXITED)
        fc_report_message(report, "the function called exit(%d)", report->code);
    else if (reply->trailer.end == FC_END_THREAD_EXIT)
        fc_report_message(report, "the function's thread ended by pthread_exit()");
    else
        fc_report_message(report, "the function called exit() or quick_exit(); the status is not known");
}

static void describe_signaled(const struct fc_facts *facts, struct forkcall_report *report)
{
    const struct forkcall_crash *crash = &report->crash;
    const struct forkcall_buf *message = &facts->reply->message;
    char number[32];
    const char *name = fc_signal_name(report->code, number);
    const char *limit =
        fc_limits_reason(&facts->options->limits, report->code, facts->ending->user_ns + facts->ending->system_ns);
    const char *reason = crash->signal != 0 ? fc_signal_reason(report->code, crash->si_code) : NULL;
    const bool is_page = FC_FAULT_TELLS_PAGE_ONLY && (report->code == SIGSEGV || report->code == SIGBUS);
    const char *at = is_page ? "in the page at" : "at";
    const unsigned long long address = (unsigned long long)crash->address;
    if (fc_outcome_reply_is_malformed(facts, report->ran))
        fc_report_message(report, "the child sent a malformed reply and was killed by %s", name);
    else if (message->size > 0)
        fc_report_message(report, "%.*s (killed by %s)", (int)message->size, (const char *)message->data, name);
    else if (limit != NULL)
        fc_report_message(report, "killed by %s: %s", name, limit);
    else if ((crash->flags & FORKCALL_CRASH_STACK_OVERFLOW) != 0)
        fc_report_message(report, "killed by %s (stack overflow) %s 0x%llx", name, at, address);
    else if ((crash->flags & FORKCALL_CRASH_MAPPED_IN_CALLER) != 0)
        fc_report_message(report,
                          "killed by %s %s 0x%llx, which is mapped in the caller but not in the child (MADV_DONTFORK)",
                          name, at, address);
    else if (reason != NULL && fc_signal_is_fault(crash->si_code) && report->code != SIGABRT)
        fc_report_message(report, "killed by %s (%s) %s 0x%llx", name, reason, at, address);
    else if (reason != NULL)
        fc_report_message(report, "killed by %s (%s)", name, reason);
    else if (report->code == SIGKILL && facts->cause == FC_CAUSE_NONE)
        fc_report_message(report, "killed by %s (by another process, or by the system, perhaps for want of memory)",
                          name);
    else
        fc_report_message(report, "killed by %s", name);
}

static void describe_too_big(const struct fc_facts *facts, struct forkcall_report *report)
{
    if (report->code == ENOMEM)
        fc_report_message(report, "no memory for the result");
    else
        fc_report_message(report, "the result is larger than %zu bytes", facts->max_result);
}

static void describe_lost(const struct fc_facts *facts, struct forkcall_report *report)
{
    if (facts->reply->done)
        fc_report_message(report, "the child has taken its result back");
    else if (facts->cause == FC_CAUSE_CLOSED)
        fc_report_message(report, "this process has closed the descriptors of the call while it ran");
    else if (fc_outcome_reply_was_closed(facts, report->ran))
        fc_report_message(report, "the function has closed the descriptor that its answer goes through");
    else
        fc_report_message(report, "the child is gone, and %s%s",
                          facts->has_server ? "its server does not tell how" : "its end was seen by somebody else",
                          fc_outcome_reply_is_malformed(facts, report->ran) ? "; its reply was malformed" : "");
}

static void describe_not_ready(const struct fc_facts *facts, struct forkcall_report *report)
{
    char why[200];
    if (facts->cause == FC_CAUSE_NOT_READY)
        snprintf(why, sizeof why, FC_EXEC_SELF_LATE);
    else if (facts->ending->status_known)
        fc_exec_self_describe_end(facts->ending->wait_status, why, sizeof why);
    else
        snprintf(why, sizeof why, "the re-executed program ended before it reached forkcall_init()");
    fc_report_message(report, "%s", why);
}

static void describe_not_started(const struct fc_facts *facts, enum fc_decided_by by, struct forkcall_report *report)
{
    const uint32_t step = facts->start_error != 0 ? FC_SETUP_GO : facts->reply->setup.step;
    if (by == FC_DECIDED_BY_NOT_READY)
        describe_not_ready(facts, report);
    else if (!say_its_own(&facts->reply->message, report) || report->message[0] == '\0')
        fc_report_message(report, "%s: %s", step_name(step), strerror(report->code));
}

void fc_outcome_describe(const struct fc_facts *facts, enum fc_decided_by by, struct forkcall_report *report)
{
    switch (report->status) {
    case FORKCALL_FAILED:
        describe_failed(facts, report);
        break;
    case FORKCALL_EXITED:
        describe_exited(facts, report);
        break;
    case FORKCALL_SIGNALED:
        describe_signaled(facts, report);
        break;
    case FORKCALL_TIMED_OUT:
        fc_report_message(report, "no answer within %d ms", facts->options->timeout_ms);
        break;
    case FORKCALL_CANCELED:
        fc_report_message(report, "canceled by the caller");
        break;
    case FORKCALL_TOO_BIG:
        describe_too_big(facts, report);
        break;
    case FORKCALL_NOT_STARTED:
        describe_not_started(facts, by, report);
        break;
    case FORKCALL_LOST:
        describe_lost(facts, report);
        break;
    case FORKCALL_OK:
    case FORKCALL_UNSAFE:
        break;
    }
}
