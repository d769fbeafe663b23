/* HOST: the state of a call: its stage, and how it ends before its function could run. */
#include "call/call.h"

#include "base/fd_message.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "base/report_message.h"
#include "call/hazards.h"
#include "call/wakeup.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void fc_call_set_stage(struct forkcall_call *call, enum fc_stage stage, uint64_t deadline_ns)
{
    if (call->stage == FC_STAGE_RUNNING) /* cancel_fd is watched only while the call runs */
        fc_wakeup_forget(&call->fds, call->options.cancel_fd_plus_one - 1);
    call->stage = stage;
    call->deadline_ns = deadline_ns;
    if (stage == FC_STAGE_TERMINATING) {
        call->callbacks_until_ns = deadline_ns;
        call->late = false;
    }
}

void fc_call_end_early(struct forkcall_call *call, enum forkcall_status status, int code, const char *format, ...)
{
    va_list arguments;
    call->report.status = status;
    call->report.ran = FORKCALL_RAN_NO;
    call->report.code = code;
    call->report.elapsed_ns = fc_now_ns() - call->start_ns;
    call->report.hazards |= fc_hazard_of_libraries(); /* it may explain what went wrong */
    if (format != NULL) {
        va_start(arguments, format);
        fc_report_vmessage(&call->report, format, arguments);
        va_end(arguments);
    }
    call->stage = FC_STAGE_DONE;
}

void fc_call_not_started(struct forkcall_call *call, int error, const char *step)
{
    fc_call_end_early(call, FORKCALL_NOT_STARTED, error, "%s: %s", step,
                      error == ETOOMANYREFS ? FC_TOO_MANY_UNDER_WAY : strerror(error));
}

bool fc_call_is_given_up(struct forkcall_call *call, int r, const char *doing)
{
    if (r == -EINTR)
        fc_call_end_early(call, FORKCALL_CANCELED, 0, "canceled by the caller");
    else if (r == -ETIMEDOUT && fc_now_ns() >= call->deadline_ns)
        fc_call_end_early(call, FORKCALL_TIMED_OUT, 0, "no answer within %d ms: %s", call->options.timeout_ms, doing);
    else
        return false;
    return true;
}

struct fc_time_limit fc_call_time_limit(const struct forkcall_call *call, uint64_t limit_ns)
{
    const uint64_t now = fc_now_ns();
    const uint64_t end_ns = limit_ns > UINT64_MAX - now ? UINT64_MAX : now + limit_ns;
    return (struct fc_time_limit){.deadline_ns = end_ns < call->deadline_ns ? end_ns : call->deadline_ns,
                                  .cancel_fd = call->options.cancel_fd_plus_one - 1,
                                  .cancel_requested = &call->cancel_requested};
}

bool fc_call_may_call_back(const struct forkcall_call *call)
{
    const int cancel_fd = call->options.cancel_fd_plus_one - 1;
    const bool ended_by_us = call->cause == FC_CAUSE_TIMEOUT || call->cause == FC_CAUSE_CANCEL;
    if (call->quiet || fc_now_ns() >= call->callbacks_until_ns)
        return false;
    if (ended_by_us)
        return call->stage == FC_STAGE_TERMINATING; /* what the function says at SIGTERM */
    return !atomic_load(&call->cancel_requested) && (cancel_fd < 0 || !fc_poll_says(cancel_fd, POLLIN));
}

void fc_call_close_fd(struct forkcall_call *call, enum fc_fd which)
{
    fc_wakeup_forget(&call->fds, call->fds.fd[which]);
    fc_fds_close(&call->fds, which);
}

bool fc_call_is_readable(const struct forkcall_call *call, enum fc_fd which)
{
    return call->fds.fd[which] >= 0 && (fc_poll_now(call->fds.fd[which], POLLIN) & POLLIN) != 0;
}
