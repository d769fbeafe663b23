/* HOST: Asks a child that is to be ended where its function is. */
#include "call/call.h"

#include "base/io.h"
#include "call/told.h"
#include "crash/crash_decode.h"
#include "os/process_threads.h"
#include "os/start_gate.h"

/* How long a child has for its answer. */
#define ANSWER_NS 50000000U

/* True: the child has come to its function. Before that it has installed its handlers. */
static bool is_in_function(const struct forkcall_call *call)
{
    if (!fc_start_gate_tells())
        return call->reply.started;
    const long left = fc_start_gate_left(call->fds.fd[FC_FD_GO]);
    return left >= 0 && left <= (long)FC_START_GATE_WITNESS;
}

/* False: the child does not answer. It is stopped, or what it runs does not catch the signal. */
static bool may_answer(const struct fc_process_look *look)
{
    if (look->state == 0)
        return true; /* nothing is known */
    return look->state != 'T' && look->state != 't' && look->catches && (!look->blocks || look->threads > 1);
}

void fc_call_look_where(struct forkcall_call *call)
{
    if (is_in_function(call))
        call->look = fc_process_look_at(&call->process, FC_WHERE_SIGNAL);
}

bool fc_call_ask_where(struct forkcall_call *call)
{
    if (call->task.no_crash_capture || !is_in_function(call) || !may_answer(&call->look))
        return false;
    call->reply.asked = fc_process_queue(&call->process, FC_WHERE_SIGNAL, FC_WHERE_VALUE(call->task.nonce)) == 0;
    if (call->reply.asked)
        fc_call_set_stage(call, FC_STAGE_ASKED, fc_now_ns() + ANSWER_NS);
    return call->reply.asked;
}

bool fc_call_hear_where(struct forkcall_call *call)
{
    struct fc_reply *reply = &call->reply;
    struct fc_told first;
    size_t at = 0;
    if (reply->others_asked == 0 && call->look.threads > 1 && fc_told_next(&reply->where, &at, &first))
        reply->others_asked =
            (uint8_t)fc_process_queue_to_threads(&call->process, fc_crash_thread(first.notice), FC_WHERE_SIGNAL,
                                                 FC_WHERE_VALUE(call->task.nonce), FC_WHERE_OTHERS_MAX);
    return reply->others_told < reply->others_asked;
}
