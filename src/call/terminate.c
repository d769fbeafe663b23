/* HOST: Ends a call that still runs: at its deadline, when its caller cancels it, or because it
 * cannot go on. */
#include "call/call.h"

#include "base/io.h"

#include <signal.h>

void fc_call_kill_all(struct forkcall_call *call)
{
    fc_process_signal_group(&call->process, SIGKILL);
    fc_process_signal(&call->process, SIGKILL); /* the child may have left its group */
    fc_call_set_stage(call, FC_STAGE_KILLED, fc_now_ns() + FC_CALL_END_NS);
}

static void send_both(const struct forkcall_call *call, int signal)
{
    if (call->process.own_group)
        fc_process_signal_group(&call->process, signal);
    else
        fc_process_signal(&call->process, signal);
}

/* A child that is killed for a timeout or a cancel first tells where its function is. Before
 * SIGTERM it is not asked: the function may still answer, and would notice the signal. */
static void ask_and_kill(struct forkcall_call *call)
{
    if (!fc_call_ask_where(call))
        fc_call_kill_all(call);
}

void fc_call_terminate(struct forkcall_call *call, enum fc_cause cause)
{
    const bool patient = cause == FC_CAUSE_TIMEOUT || cause == FC_CAUSE_CANCEL;
    if (call->stage > FC_STAGE_ASKED)
        return;
    if (call->cause == FC_CAUSE_NONE)
        call->cause = cause;
    if (!patient) {
        fc_call_kill_all(call);
    } else if (call->stage == FC_STAGE_RUNNING) {
        fc_call_look_where(call);
        if (call->options.grace_ms == 0) {
            ask_and_kill(call);
            return;
        }
        send_both(call, SIGTERM);
        send_both(call, SIGCONT); /* a stopped process would never see SIGTERM */
        fc_call_set_stage(call, FC_STAGE_TERMINATING, fc_now_ns() + (uint64_t)call->options.grace_ms * 1000000U);
    }
}

void fc_call_end_grace(struct forkcall_call *call)
{
    fc_call_look_where(call);
    ask_and_kill(call);
}

void fc_call_kill(struct forkcall_call *call, enum fc_cause cause)
{
    call->cause = cause;
    fc_call_kill_all(call);
}

void fc_call_cancel(struct forkcall_call *call)
{
    fc_call_terminate(call, FC_CAUSE_CANCEL);
}

/* Ends the call if the host has closed one of its descriptors. The host may have opened others by
 * the same numbers, so the call uses none of them any more. */
static void look_at_descriptors(struct forkcall_call *call)
{
    if (!fc_fds_look(&call->fds))
        return;
    call->process.fd = call->fds.fd[FC_FD_PROCESS];
    if (call->stage == FC_STAGE_DONE || call->reply.done)
        return;
    fc_call_terminate(call, FC_CAUSE_CLOSED);
    /* Nobody can tell any more how the child ends. */
    if (call->process.remote && call->process.fd < 0) {
        const struct fc_ending unknown = {.wait_status = -1};
        fc_call_conclude(call, &unknown);
    }
}

void fc_call_come_back(struct forkcall_call *call)
{
    fc_fds_expire(&call->fds);
    look_at_descriptors(call);
}
