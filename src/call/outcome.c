/* HOST: Decides the report from what the child has said and what the kernel knows of its end. */
#include "call/call.h"

#include "base/io.h"
#include "base/report_message.h"
#include "base/rlimits.h"
#include "base/utf8.h"
#include "call/hazards.h"
#include "child/crash_handler.h"
#include "child/run.h"
#include "config.h"
#include "crash/crash_decode.h"
#include "exec/exec_self.h"
#include "os/start_gate.h"
#include "os/usage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* ---- Status ---------------------------------------------------------------------------------- */

/* Pure: what the child's trailer, and whether its result could be had, make of the call. */
static enum forkcall_status status_by_trailer(const struct forkcall_call *call, int *code)
{
    const struct fc_trailer *trailer = &call->reply.trailer;
    *code = trailer->code;
    switch ((enum fc_end)trailer->end) {
    case FC_END_RETURNED:
        if (trailer->code != 0)
            return FORKCALL_FAILED;
        *code = call->result_error == -ENOMEM ? ENOMEM : 0;
        return call->result_error == 0 ? FORKCALL_OK : *code != 0 ? FORKCALL_TOO_BIG : FORKCALL_LOST;
    case FC_END_NO_MEMORY:
        return FORKCALL_FAILED;
    case FC_END_TOO_BIG:
        *code = EFBIG;
        return FORKCALL_TOO_BIG;
    case FC_END_EXITED:
    case FC_END_EXITED_UNKNOWN:
    case FC_END_THREAD_EXIT:
        break;
    }
    return FORKCALL_EXITED;
}

/* The function has closed the reply, and returned. */
static bool has_closed_reply(const struct forkcall_call *call, const struct fc_ending *ending)
{
#ifdef FC_MUTE_SIGNAL
    return call->report.ran == FORKCALL_RAN_YES && !call->reply.done && ending->status_known &&
           WIFSIGNALED(ending->wait_status) && WTERMSIG(ending->wait_status) == FC_MUTE_SIGNAL;
#else
    (void)call;
    (void)ending;
    return false;
#endif
}

static void by_kernel(struct forkcall_call *call, const struct fc_ending *ending)
{
    struct forkcall_report *report = &call->report;
    if (has_closed_reply(call, ending)) {
        report->status = FORKCALL_LOST;
        return;
    }
    if (ending->status_known && WIFEXITED(ending->wait_status)) {
        report->status = FORKCALL_EXITED;
        report->code = WEXITSTATUS(ending->wait_status);
    } else if (ending->status_known) {
        report->status = FORKCALL_SIGNALED;
        report->code = WTERMSIG(ending->wait_status);
    } else if (report->crash.signal != 0) { /* only the child has told */
        report->status = FORKCALL_SIGNALED;
        report->code = report->crash.signal;
    } else {
        report->status = FORKCALL_LOST;
    }
}

/* A function that is ended by our SIGTERM may exit() in its handler: that is no answer. */
static bool trailer_counts(const struct forkcall_call *call)
{
    if (!call->reply.done)
        return false;
    const bool ended_by_us = call->cause == FC_CAUSE_TIMEOUT || call->cause == FC_CAUSE_CANCEL;
    const uint32_t end = call->reply.trailer.end;
    return !ended_by_us || end == FC_END_RETURNED || end == FC_END_TOO_BIG || end == FC_END_NO_MEMORY;
}

bool fc_call_has_done_its_work(const struct forkcall_call *call)
{
    int code;
    if (!trailer_counts(call))
        return false;
    const enum forkcall_status status = status_by_trailer(call, &code);
    return status == FORKCALL_OK || status == FORKCALL_FAILED;
}

bool fc_call_is_ready(const struct forkcall_call *call)
{
    const long left = fc_start_gate_left(call->fds.fd[FC_FD_GO]);
    return call->reply.ready || (left >= 0 && (size_t)left < call->request_size);
}

/* A copy of the program that did not come to forkcall_init, or not in time. */
static bool never_got_ready(const struct forkcall_call *call)
{
    return call->awaits_ready && call->report.ran == FORKCALL_RAN_NO && !fc_call_is_ready(call);
}

static void not_ready(struct forkcall_call *call, const struct fc_ending *ending)
{
    struct forkcall_report *report = &call->report;
    char why[200] = "the re-executed program ended before it reached forkcall_init()";
    report->status = FORKCALL_NOT_STARTED;
    report->code = ENOEXEC;
    if (call->cause == FC_CAUSE_NOT_READY) {
        report->code = ETIMEDOUT;
        snprintf(why, sizeof why, FC_EXEC_SELF_LATE);
    } else if (ending->status_known) {
        report->code = -fc_exec_self_failed(ending->wait_status, why, sizeof why);
    }
    fc_report_message(report, "%s", why);
}

static void set_status(struct forkcall_call *call, const struct fc_ending *ending)
{
    struct forkcall_report *report = &call->report;
    if (trailer_counts(call)) {
        if (call->awaits_ready)
            fc_exec_self_served();
        report->status = status_by_trailer(call, &report->code);
    } else if (call->cause == FC_CAUSE_TIMEOUT) {
        report->status = FORKCALL_TIMED_OUT;
    } else if (call->cause == FC_CAUSE_CANCEL) {
        report->status = FORKCALL_CANCELED;
    } else if (call->cause == FC_CAUSE_CLOSED) {
        report->status = FORKCALL_LOST;
    } else if (call->cause == FC_CAUSE_NO_MEMORY) {
        report->status = FORKCALL_TOO_BIG;
        report->code = ENOMEM;
    } else if (call->reply.setup_failed && report->ran == FORKCALL_RAN_NO) {
        report->status = FORKCALL_NOT_STARTED;
        report->code = call->reply.setup.error;
    } else if (never_got_ready(call)) {
        not_ready(call, ending);
    } else {
        by_kernel(call, ending);
    }
}

static enum forkcall_ran has_run(const struct forkcall_call *call)
{
    if (call->reply.done)
        return FORKCALL_RAN_YES;
    if (call->not_let_go)
        return FORKCALL_RAN_NO;
    if (fc_start_gate_tells()) {
        const long left = fc_start_gate_left(call->fds.fd[FC_FD_GO]);
        return left < 0                             ? FORKCALL_RAN_UNKNOWN
               : left > (long)FC_START_GATE_WITNESS ? FORKCALL_RAN_NO
                                                    : FORKCALL_RAN_YES;
    }
    if (call->reply.setup_failed)
        return FORKCALL_RAN_NO;
    if (call->reply.started)
        return FORKCALL_RAN_YES;
    /* The child tells its start through the reply, of which the rest could not be read. */
    if (call->reply.malformed || call->cause == FC_CAUSE_CLOSED)
        return FORKCALL_RAN_UNKNOWN;
    return FORKCALL_RAN_NO;
}

/* ---- Message --------------------------------------------------------------------------------- */

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

static void say_failed(struct forkcall_call *call)
{
    struct forkcall_report *report = &call->report;
    if (call->reply.done && call->reply.trailer.end == FC_END_NO_MEMORY)
        fc_report_message(report, FC_NO_MEMORY_MESSAGE);
    else if (call->reply.message.size > 0)
        fc_report_message_bytes(report, call->reply.message.data, call->reply.message.size);
    if (report->message[0] == '\0')
        fc_report_message(report, "the function returned %d", report->code);
}

static void say_exited(struct forkcall_call *call)
{
    struct forkcall_report *report = &call->report;
    const bool runs_handlers = !call->child_shares_addresses;
    if (!call->reply.done)
        fc_report_message(report, "the child ended with exit status %d before the function %s%s", report->code,
                          report->ran == FORKCALL_RAN_NO ? "was called"
                          : runs_handlers                ? "and its handlers of atexit() returned"
                                                         : "returned",
                          call->reply.malformed ? "; its reply was malformed" : "");
    else if (call->reply.message.size > 0)
        fc_report_message_bytes(report, call->reply.message.data, call->reply.message.size);
    else if (call->reply.trailer.end == FC_END_EXITED)
        fc_report_message(report, "the function called exit(%d)", report->code);
    else if (call->reply.trailer.end == FC_END_THREAD_EXIT)
        fc_report_message(report, "the function's thread ended by pthread_exit()");
    else
        fc_report_message(report, "the function called exit() or quick_exit(); the status is not known");
}

static void say_signaled(struct forkcall_call *call, const struct fc_ending *ending)
{
    struct forkcall_report *report = &call->report;
    const struct forkcall_crash *crash = &report->crash;
    char number[32];
    const char *name = fc_signal_name(report->code, number);
    const char *limit = fc_limits_reason(&call->options.limits, report->code, ending->user_ns + ending->system_ns);
    const char *reason = crash->signal != 0 ? fc_signal_reason(report->code, crash->si_code) : NULL;
    const bool is_page = FC_FAULT_TELLS_PAGE_ONLY && (report->code == SIGSEGV || report->code == SIGBUS);
    const char *at = is_page ? "in the page at" : "at";
    const unsigned long long address = (unsigned long long)crash->address;
    if (call->reply.malformed)
        fc_report_message(report, "the child sent a malformed reply and was killed by %s", name);
    else if (call->reply.message.size > 0)
        fc_report_message(report, "%.*s (killed by %s)", (int)call->reply.message.size,
                          (const char *)call->reply.message.data, name);
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
    else if (report->code == SIGKILL && call->cause == FC_CAUSE_NONE)
        fc_report_message(report, "killed by %s (by another process, or by the system, perhaps for want of memory)",
                          name);
    else
        fc_report_message(report, "killed by %s", name);
}

static void say_too_big(struct forkcall_call *call)
{
    if (call->report.code == ENOMEM)
        fc_report_message(&call->report, "no memory for the result");
    else
        fc_report_message(&call->report, "the result is larger than %zu bytes", call->task.max_result);
}

static void say_lost(struct forkcall_call *call, const struct fc_ending *ending)
{
    if (call->reply.done)
        fc_report_message(&call->report, "the child has taken its result back");
    else if (call->cause == FC_CAUSE_CLOSED)
        fc_report_message(&call->report, "this process has closed the descriptors of the call while it ran");
    else if (has_closed_reply(call, ending))
        fc_report_message(&call->report, "the function has closed the descriptor that its answer goes through");
    else
        fc_report_message(&call->report, "the child is gone, and %s%s",
                          call->process.remote ? "its server does not tell how" : "its end was seen by somebody else",
                          call->reply.malformed ? "; its reply was malformed" : "");
}

static void say(struct forkcall_call *call, const struct fc_ending *ending)
{
    struct forkcall_report *report = &call->report;
    switch (report->status) {
    case FORKCALL_FAILED:
        say_failed(call);
        break;
    case FORKCALL_EXITED:
        say_exited(call);
        break;
    case FORKCALL_SIGNALED:
        say_signaled(call, ending);
        break;
    case FORKCALL_TIMED_OUT:
        fc_report_message(report, "no answer within %d ms", call->options.timeout_ms);
        break;
    case FORKCALL_CANCELED:
        fc_report_message(report, "canceled by the caller");
        break;
    case FORKCALL_TOO_BIG:
        say_too_big(call);
        break;
    case FORKCALL_NOT_STARTED:
        if (report->message[0] == '\0' && call->reply.message.size > 0)
            fc_report_message_bytes(report, call->reply.message.data, call->reply.message.size);
        if (report->message[0] == '\0')
            fc_report_message(report, "%s: %s", step_name(call->reply.setup.step), strerror(report->code));
        break;
    case FORKCALL_LOST:
        say_lost(call, ending);
        break;
    case FORKCALL_OK:
    case FORKCALL_UNSAFE:
        break;
    }
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* Where a peak survives exec, that of a spawned child is at least this process's own at that time:
 * such a value says nothing of the child, which knows better if it can still say so. 0: not
 * known. */
static uint64_t peak_of_child(const struct forkcall_report *report, const struct fc_reply *reply,
                              const struct fc_ending *ending)
{
    struct rusage own;
    if (!FC_EXEC_KEEPS_PEAK || report->method != FORKCALL_SPAWN)
        return ending->max_rss_bytes;
    if (reply->done && reply->trailer.usage_known != 0)
        return reply->trailer.max_rss_bytes;
    const bool is_own = getrusage(RUSAGE_SELF, &own) < 0 || ending->max_rss_bytes <= fc_usage_peak_bytes(&own);
    return is_own ? 0 : ending->max_rss_bytes;
}

static void set_usage(struct forkcall_report *report, const struct fc_reply *reply, bool measured,
                      const struct fc_ending *ending)
{
    if (ending->usage_known) {
        report->usage_known = true;
        report->user_ns = ending->user_ns;
        report->system_ns = ending->system_ns;
        report->max_rss_bytes = peak_of_child(report, reply, ending);
    } else if (reply->done && measured && reply->trailer.usage_known != 0) {
        report->usage_known = true;
        report->user_ns = reply->trailer.user_ns;
        report->system_ns = reply->trailer.system_ns;
        report->max_rss_bytes = reply->trailer.max_rss_bytes;
    }
}

static void set_crash(struct forkcall_call *call, const struct fc_ending *ending)
{
    const struct forkcall_buf *notice = &call->reply.crash;
    if (!call->reply.has_crash || call->reply.done)
        return;
    fc_crash_decode(&call->report.crash, notice->data, notice->size, call->child_shares_addresses);
    /* Only its own end: a child may say what it likes. */
    const bool told = fc_crash_is_caught(call->report.crash.signal) &&
                      (!ending->status_known || (WIFSIGNALED(ending->wait_status) &&
                                                 WTERMSIG(ending->wait_status) == call->report.crash.signal));
    if (!told)
        memset(&call->report.crash, 0, sizeof call->report.crash);
}

void fc_call_conclude(struct forkcall_call *call, const struct fc_ending *ending)
{
    struct forkcall_report *report = &call->report;
    fc_call_take_result(call);
    report->wait_status = ending->status_known ? ending->wait_status : -1;
    report->elapsed_ns = fc_now_ns() - call->start_ns;
    report->ran = has_run(call);
    if (call->reply.setup_failed && report->ran != FORKCALL_RAN_NO)
        call->reply.malformed = true; /* it ran, and says that it did not */
    set_usage(report, &call->reply, call->task.measure, ending);
    set_crash(call, ending);
    report->hints = fc_hints(&call->hint_scan, &report->crash);
    set_status(call, ending);
    /* It may explain a failure; a call that succeeds need not pay for it. */
    if (report->status != FORKCALL_OK)
        report->hazards |= fc_hazard_of_libraries();
    say(call, ending);
}

void fc_call_say_inline(struct forkcall_call *call)
{
    const struct fc_ending none = {.wait_status = -1};
    say(call, &none);
}
