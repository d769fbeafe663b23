/* HOST: Decides what became of a call from what the child has said and what the kernel knows of its
 * end. */
#include "call/outcome.h"

#include "base/tools.h"
#include "child/crash_handler.h"
#include "child/run.h"
#include "config.h"
#include "exec/exec_self.h"
#include "os/start_gate.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- Did the function run? ------------------------------------------------------------------- */

static enum forkcall_ran has_run(const struct fc_facts *facts)
{
    if (facts->reply->done || facts->method == FORKCALL_INLINE)
        return FORKCALL_RAN_YES;
    if (facts->start_error != 0)
        return FORKCALL_RAN_NO;
    if (fc_start_gate_tells())
        return facts->start_left < 0                             ? FORKCALL_RAN_UNKNOWN
               : facts->start_left > (long)FC_START_GATE_WITNESS ? FORKCALL_RAN_NO
                                                                 : FORKCALL_RAN_YES;
    if (facts->reply->setup_failed)
        return FORKCALL_RAN_NO;
    if (facts->reply->started)
        return FORKCALL_RAN_YES;
    /* The child tells its start through the reply, of which the rest could not be read. */
    if (facts->reply->malformed || facts->cause == FC_CAUSE_CLOSED)
        return FORKCALL_RAN_UNKNOWN;
    return FORKCALL_RAN_NO;
}

bool fc_outcome_is_ready(const struct fc_reply *reply, size_t start_size, long start_left)
{
    return reply->ready || (start_left >= 0 && (size_t)start_left < start_size);
}

static bool never_got_ready(const struct fc_facts *facts, enum forkcall_ran ran)
{
    return facts->awaited_ready && ran == FORKCALL_RAN_NO &&
           !fc_outcome_is_ready(facts->reply, facts->start_size, facts->start_left);
}

/* ---- What the child says --------------------------------------------------------------------- */

bool fc_outcome_reply_is_malformed(const struct fc_facts *facts, enum forkcall_ran ran)
{
    return facts->reply->malformed || (facts->reply->setup_failed && ran != FORKCALL_RAN_NO);
}

/* A function that the library ends by SIGTERM may call exit() in its handler: that is no answer. */
static bool trailer_counts(const struct fc_reply *reply, enum fc_cause cause)
{
    const bool ended_by_us = cause == FC_CAUSE_TIMEOUT || cause == FC_CAUSE_CANCEL;
    const uint32_t end = reply->trailer.end;
    /* A signal handler of the function's may have ended what it waited for when it was asked where
     * it is: its answer is none. */
    if (reply->asked)
        return false;
    return reply->done && (!ended_by_us || end == FC_END_RETURNED || end == FC_END_TOO_BIG || end == FC_END_NO_MEMORY);
}

static enum forkcall_status status_by_trailer(const struct fc_trailer *trailer, int result_error, int *code)
{
    *code = trailer->code;
    switch ((enum fc_end)trailer->end) {
    case FC_END_RETURNED:
        if (trailer->code != 0)
            return FORKCALL_FAILED;
        *code = result_error == -ENOMEM ? ENOMEM : 0;
        return result_error == 0 ? FORKCALL_OK : *code != 0 ? FORKCALL_TOO_BIG : FORKCALL_LOST;
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

bool fc_outcome_is_answer(const struct fc_reply *reply, enum fc_cause cause, int result_error)
{
    int code;
    if (!trailer_counts(reply, cause))
        return false;
    const enum forkcall_status status = status_by_trailer(&reply->trailer, result_error, &code);
    return status == FORKCALL_OK || status == FORKCALL_FAILED;
}

/* ---- What the kernel says -------------------------------------------------------------------- */

bool fc_outcome_crash_is_true(const struct forkcall_crash *crash, const struct fc_ending *ending)
{
    return fc_crash_is_caught(crash->signal) &&
           (!ending->status_known ||
            (WIFSIGNALED(ending->wait_status) && WTERMSIG(ending->wait_status) == crash->signal));
}

bool fc_outcome_reply_was_closed(const struct fc_facts *facts, enum forkcall_ran ran)
{
    const struct fc_ending *ending = facts->ending;
    return ran == FORKCALL_RAN_YES && !facts->reply->done && ending->status_known && WIFSIGNALED(ending->wait_status) &&
           WTERMSIG(ending->wait_status) == FC_MUTE_SIGNAL;
}

static enum forkcall_status status_by_kernel(const struct fc_facts *facts, const struct forkcall_report *report,
                                             int *code)
{
    const struct fc_ending *ending = facts->ending;
    if (fc_outcome_reply_was_closed(facts, report->ran))
        return FORKCALL_LOST;
    if (ending->status_known && WIFEXITED(ending->wait_status)) {
        *code = WEXITSTATUS(ending->wait_status);
        return FORKCALL_EXITED;
    }
    if (!ending->status_known && report->crash.signal == 0)
        return FORKCALL_LOST;
    /* Only the child has told. */
    *code = ending->status_known ? WTERMSIG(ending->wait_status) : report->crash.signal;
    return FORKCALL_SIGNALED;
}

/* ---- What a tool says ------------------------------------------------------------------------ */

/* How the library ends a child after that trailer. */
static int usual_wait_status(const struct fc_trailer *trailer)
{
    switch ((enum fc_end)trailer->end) {
    case FC_END_RETURNED:
        return trailer->code == 0 ? 0 : 1 << 8;
    case FC_END_EXITED:
        return (trailer->code & 0xff) << 8;
    case FC_END_THREAD_EXIT:
        return 0;
    case FC_END_TOO_BIG:
    case FC_END_NO_MEMORY:
    case FC_END_EXITED_UNKNOWN:
        break;
    }
    return 1 << 8;
}

unsigned fc_outcome_tool_hint(const struct fc_facts *facts, enum fc_decided_by by, const struct forkcall_report *report)
{
    const struct fc_ending *ending = facts->ending;
    const struct fc_trailer *trailer = &facts->reply->trailer;
    bool has_spoken = facts->tool_line != NULL;
    if (!has_spoken && by == FC_DECIDED_BY_TRAILER && (trailer->tools & FC_TOOLS_CHECKING) != 0)
        has_spoken = (trailer->tools & FC_TOOL_HAS_FOUND) != 0 ||
                     (ending->status_known && ending->wait_status != usual_wait_status(trailer));
    /* The function may have done so itself. */
    if (!has_spoken && by == FC_DECIDED_BY_KERNEL && report->status == FORKCALL_EXITED)
        has_spoken = (facts->tools & FC_TOOLS_SANITIZERS) != 0 && report->code != 0;
    /* Their option abort_on_error=1 ends the process so. */
    const unsigned aborting = FC_TOOL_ADDRESS | FC_TOOL_MEMORY | FC_TOOL_THREAD;
    if (!has_spoken && by == FC_DECIDED_BY_KERNEL && report->status == FORKCALL_SIGNALED)
        has_spoken = (facts->tools & aborting) != 0 && report->code == SIGABRT;
    return has_spoken ? FORKCALL_HINT_TOOL : 0;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static enum fc_decided_by who_decides(const struct fc_facts *facts, enum forkcall_ran ran)
{
    if (trailer_counts(facts->reply, facts->cause))
        return FC_DECIDED_BY_TRAILER;
    switch (facts->cause) {
    case FC_CAUSE_TIMEOUT:
    case FC_CAUSE_CANCEL:
    case FC_CAUSE_CLOSED:
    case FC_CAUSE_NO_MEMORY:
        return FC_DECIDED_BY_CAUSE;
    case FC_CAUSE_NONE:
    case FC_CAUSE_MALFORMED:
    case FC_CAUSE_NOT_READY:
        break;
    }
    if ((facts->start_error != 0 && facts->cause == FC_CAUSE_NONE) ||
        (facts->reply->setup_failed && ran == FORKCALL_RAN_NO))
        return FC_DECIDED_BY_SETUP;
    return never_got_ready(facts, ran) ? FC_DECIDED_BY_NOT_READY : FC_DECIDED_BY_KERNEL;
}

static enum forkcall_status status_by_cause(enum fc_cause cause, int *code)
{
    switch (cause) {
    case FC_CAUSE_TIMEOUT:
        return FORKCALL_TIMED_OUT;
    case FC_CAUSE_CANCEL:
        return FORKCALL_CANCELED;
    case FC_CAUSE_NO_MEMORY:
        *code = ENOMEM;
        return FORKCALL_TOO_BIG;
    default:
        return FORKCALL_LOST;
    }
}

static int code_of_not_ready(const struct fc_facts *facts)
{
    if (facts->cause == FC_CAUSE_NOT_READY)
        return ETIMEDOUT;
    return facts->ending->status_known ? fc_exec_self_error_of_end(facts->ending->wait_status) : ENOEXEC;
}

/* Where a peak survives exec, that of a spawned child is at least the host's own at that time: a
 * peak that is not larger says nothing of the child, which knows better if it can still say so. 0:
 * not known. */
static uint64_t peak_of_child(const struct fc_facts *facts)
{
    const uint64_t peak = facts->ending->max_rss_bytes;
    if (facts->host_peak_bytes == 0)
        return peak;
    if (facts->reply->done && facts->reply->trailer.usage_known != 0)
        return facts->reply->trailer.max_rss_bytes;
    return peak <= facts->host_peak_bytes ? 0 : peak;
}

static void set_usage(const struct fc_facts *facts, struct forkcall_report *report)
{
    const struct fc_ending *ending = facts->ending;
    const struct fc_trailer *trailer = &facts->reply->trailer;
    if (ending->usage_known) {
        report->usage_known = true;
        report->user_ns = ending->user_ns;
        report->system_ns = ending->system_ns;
        report->max_rss_bytes = peak_of_child(facts);
    } else if (facts->reply->done && facts->measured && trailer->usage_known != 0) {
        report->usage_known = true;
        report->user_ns = trailer->user_ns;
        report->system_ns = trailer->system_ns;
        report->max_rss_bytes = trailer->max_rss_bytes;
    }
}

enum fc_decided_by fc_outcome_decide(const struct fc_facts *facts, struct forkcall_report *report)
{
    report->wait_status = facts->ending->status_known ? facts->ending->wait_status : -1;
    report->ran = has_run(facts);
    set_usage(facts, report);
    const enum fc_decided_by by = who_decides(facts, report->ran);
    switch (by) {
    case FC_DECIDED_BY_TRAILER:
        report->status = status_by_trailer(&facts->reply->trailer, facts->result_error, &report->code);
        break;
    case FC_DECIDED_BY_CAUSE:
        report->status = status_by_cause(facts->cause, &report->code);
        break;
    case FC_DECIDED_BY_SETUP:
        report->status = FORKCALL_NOT_STARTED;
        report->code = facts->start_error != 0 ? facts->start_error : facts->reply->setup.error;
        break;
    case FC_DECIDED_BY_NOT_READY:
        report->status = FORKCALL_NOT_STARTED;
        report->code = code_of_not_ready(facts);
        break;
    case FC_DECIDED_BY_KERNEL:
        report->status = status_by_kernel(facts, report, &report->code);
        break;
    }
    return by;
}
