/* HOST: The state of a call: its stage, its deadline, and what it waits for. */
#include "call/call.h"

#include "base/io.h"
#include "base/poll_fds.h"
#include "base/report_message.h"
#include "base/sections.h"
#include "call/wakeup.h"
#include "os/start_gate.h"

#include <string.h>
#include <unistd.h>

void fc_call_init(struct forkcall_call *call, forkcall_fn *fn, struct forkcall_buf *result,
                  const struct forkcall_options *options, bool async)
{
    static FC_FORK_STORAGE atomic_uint_fast64_t calls;
    memset(call, 0, sizeof *call);
    call->number = atomic_fetch_add(&calls, 1) + 1;
    fc_fds_init(&call->fds);
    call->start_ns = fc_now_ns();
    call->owner = getpid();
    call->async = async;
    call->result = result;
    call->process.fd = -1;
    call->report.fn = fn;
    call->report.wait_status = -1;
    call->deadline_ns = UINT64_MAX;
    call->callbacks_until_ns = UINT64_MAX;
    call->armed_ns = UINT64_MAX;
    call->ready_by_ns = UINT64_MAX;
    if (options != NULL)
        call->options = *options;
    fc_report_name(&call->report, call->options.name);
}

void fc_call_set_deadline(struct forkcall_call *call)
{
    if (call->options.timeout_ms > 0)
        call->deadline_ns = call->start_ns + (uint64_t)call->options.timeout_ms * 1000000U;
    call->callbacks_until_ns = call->deadline_ns;
}

void fc_call_move_deadline(struct forkcall_call *call, uint64_t deadline_ns)
{
    if (call->stage != FC_STAGE_RUNNING)
        return;
    call->deadline_ns = deadline_ns;
    call->callbacks_until_ns = deadline_ns;
}

void fc_call_set_items(struct forkcall_call *call, const _Atomic(uint32_t) *begun)
{
    call->items_begun = begun;
}

void fc_call_set_method(struct forkcall_call *call, enum forkcall_method method, bool shares_addresses)
{
    call->report.method = method;
    call->child_shares_addresses = shares_addresses;
}

void fc_call_set_stage(struct forkcall_call *call, enum fc_stage stage, uint64_t deadline_ns)
{
    if (stage <= call->stage)
        return;
    /* cancel_fd is watched only while the call runs. */
    if (call->stage == FC_STAGE_RUNNING && call->fds.listed)
        fc_wakeup_forget(&call->fds, call->options.cancel_fd_plus_one - 1);
    call->stage = stage;
    call->deadline_ns = deadline_ns;
    if (stage == FC_STAGE_TERMINATING) {
        call->callbacks_until_ns = deadline_ns;
        call->late = false;
    }
}

void fc_call_await_ready(struct forkcall_call *call, bool awaits, uint64_t ready_by_ns)
{
    call->awaits_ready = awaits;
    call->ready_by_ns = ready_by_ns;
}

/* The child has come to forkcall_init: it says so, or has begun to read its request. */
static bool is_ready(const struct forkcall_call *call)
{
    return fc_outcome_is_ready(&call->reply, call->start_size, fc_start_gate_left(call->fds.fd[FC_FD_GO]));
}

bool fc_call_is_late_for_ready(struct forkcall_call *call, uint64_t now_ns)
{
    if (now_ns < call->ready_by_ns)
        return false;
    call->ready_by_ns = UINT64_MAX;
    return !is_ready(call);
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
