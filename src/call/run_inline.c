/* HOST: INLINE: calls the function in this thread. The call gets the reply that a child would have
 * sent. */
#include "call/call.h"

#include "child/inline.h"
#include "result/buf.h"

void fc_call_run_inline(struct forkcall_call *call)
{
    static const struct fc_ending none = {.wait_status = -1}; /* no process has ended */
    struct fc_inline frame = {.progress = call->options.progress, .user = call->options.user};
    struct fc_reply *reply = &call->reply;
    volatile int code = 0; /* of the function, across the longjmp of forkcall_throw */
    fc_buf_set_limit(&reply->result, call->task.max_result);
    fc_call_trace(call, FORKCALL_TRACE_RUNNING);
    fc_inline_enter(&frame);
    if (setjmp(frame.end) == 0)
        code = fc_function_enter(call->task.fn, call->task.args, call->task.args_size, &reply->result);
    else
        code = frame.code;
    fc_inline_leave();
    const bool in_its_own_words = code != 0 && (frame.threw || frame.message.size > 0);
    reply->trailer = fc_trailer_make(code, fc_buf_error(&reply->result), in_its_own_words);
    if (code != 0 && reply->trailer.end == FC_END_RETURNED)
        reply->message = frame.message;
    else
        forkcall_buf_free(&frame.message); /* forkcall_fail, and then success */
    reply->done = !frame.canceled;
    if (frame.canceled)
        call->cause = FC_CAUSE_CANCEL;
    fc_call_trace_reply(call);
    fc_call_conclude(call, &none);
}
