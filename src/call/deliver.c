/* HOST: Hands the result and the details of a call that has ended to the caller. */
#include "call/call.h"

#include "base/utf8.h"
#include "result/buf.h"
#include "result/shared_buf.h"

/* ---- The result ------------------------------------------------------------------------------ */

/* False: the caller has replaced its buffer since forkcall_start, which is against the rules. */
static bool hand_over(struct forkcall_call *call)
{
    if (call->reply.trailer.transport == FC_TRANSPORT_SHARED)
        return fc_shared_buf_accept(call->result, &call->task.shared, (size_t)call->reply.trailer.result_size);
    return !call->async || fc_buf_deliver(call->result, &call->kept_result) == 0;
}

static void deliver_result(struct forkcall_call *call)
{
    if (call->result == NULL)
        return;
    if (call->claims_result)
        fc_shared_buf_unclaim(call->result);
    if (call->report.status != FORKCALL_OK) {
        fc_buf_clear(call->result);
    } else if (!hand_over(call)) {
        fc_buf_clear(call->result);
        fc_call_lose_result(call);
    }
}

/* ---- The details ----------------------------------------------------------------------------- */

void fc_details_deliver(struct forkcall_buf *details, const struct forkcall_buf *message,
                        const struct forkcall_buf *stderr_tail)
{
    const struct forkcall_buf *parts[2] = {message, stderr_tail};
    bool first = true;
    if (details == NULL)
        return;
    fc_buf_clear(details);
    for (size_t i = 0; i < 2; i++) {
        size_t size = parts[i]->size;
        if (size == 0)
            continue;
        if (!first && forkcall_buf_append(details, "\n", 1) < 0)
            return;
        const size_t room = fc_buf_limit(details) - details->size;
        size = fc_utf8_cut(parts[i]->data, size, room);
        if (forkcall_buf_append(details, parts[i]->data, size) < 0)
            return;
        first = false;
    }
    /* Clears the error of an append: details may be cut. */
    forkcall_buf_truncate(details, details->size);
}

void fc_call_deliver(struct forkcall_call *call)
{
    deliver_result(call);
    fc_details_deliver(call->options.details, &call->reply.message, &call->stderr_tail);
}

void fc_call_take_item_details(struct forkcall_call *call, const struct forkcall_buf *message,
                               struct forkcall_buf *details)
{
    fc_details_deliver(details, message, &call->stderr_tail);
    forkcall_buf_truncate(&call->stderr_tail, 0);
}
