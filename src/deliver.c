/* HOST: brings the result and the details of a call that has ended to the caller. */
#include "call.h"

#include "buf.h"
#include "region.h"
#include "report.h"
#include "utf8.h"

#include <errno.h>

/* ---- The result ---------------------------------------------------------------------------------------------- */

static bool has_result(const struct forkcall_call *call)
{
    const struct fc_trailer *trailer = &call->reply.trailer;
    if (call->report.method == FORKCALL_INLINE)
        return call->report.status == FORKCALL_OK;
    return call->reply.done && trailer->end == FC_END_RETURNED && trailer->code == 0;
}

/* Getting memory for the result, or finding that the child has taken it back, decides the status: so this is done before
 * the status is. Inside forkcall_run the result goes straight to the caller's buffer. A call of forkcall_start keeps it
 * until forkcall_finish, because the caller's buffer is not to be touched before. */
void fc_call_take_result(struct forkcall_call *call)
{
    struct forkcall_buf *to = call->async ? &call->kept_result : call->result;
    if (call->result == NULL || call->result_taken || !has_result(call))
        return;
    call->result_taken = true;
    fc_buf_clear(to);
    if (call->reply.done && call->reply.trailer.transport == FC_TRANSPORT_REGION)
        call->result_error = fc_region_take(call->fds.fd[FC_FD_REGION], (size_t)call->reply.trailer.result_size, to);
    else
        call->result_error = fc_buf_deliver(to, &call->reply.result);
}

static void deliver_result(struct forkcall_call *call)
{
    if (call->result == NULL)
        return;
    if (call->report.status != FORKCALL_OK) {
        fc_buf_clear(call->result);
    } else if (call->async && fc_buf_deliver(call->result, &call->kept_result) < 0) {
        /* The caller has put another buffer in the place of its own since forkcall_start, against the rules. */
        fc_buf_clear(call->result);
        call->report.status = FORKCALL_TOO_BIG;
        call->report.code = EFBIG;
        fc_report_message(&call->report, "the result's buffer has become smaller since forkcall_start()");
    }
}

/* ---- The details --------------------------------------------------------------------------------------------- */

static void deliver_details(const struct forkcall_call *call)
{
    struct forkcall_buf *details = call->options.details;
    const struct forkcall_buf *parts[2] = {&call->reply.message, &call->stderr_tail};
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
    forkcall_buf_truncate(details, details->size); /* forgets an error: this is not a result */
}

void fc_call_deliver(struct forkcall_call *call)
{
    if (call->report.method == FORKCALL_INLINE && call->report.status != FORKCALL_NOT_STARTED)
        fc_call_say_inline(call);
    deliver_result(call);
    deliver_details(call);
}
