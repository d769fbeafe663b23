/* HOST: Takes the result of a call whose child has answered. */
#include "call/call.h"

#include "result/buf.h"
#include "result/region.h"
#include "result/shared_buf.h"

#include <errno.h>

static bool has_result(const struct forkcall_call *call)
{
    const struct fc_trailer *trailer = &call->reply.trailer;
    return call->reply.done && trailer->end == FC_END_RETURNED && trailer->code == 0;
}

static void take_region(struct forkcall_call *call, struct forkcall_buf *to)
{
    const size_t size = (size_t)call->reply.trailer.result_size;
    call->result_error = fc_region_take(call->fds.fd[FC_FD_REGION], size, to);
    if (call->result_error == 0)
        fc_region_note(call->report.fn, size);
}

/* Called before the status is decided, because the status depends on whether there is memory for
 * the result and whether the child has left it alone. forkcall_run puts the result straight into
 * the caller's buffer. A call of forkcall_start keeps the result until forkcall_finish, because it
 * must not touch the caller's buffer before. */
void fc_call_take_result(struct forkcall_call *call)
{
    struct forkcall_buf *to = call->async ? &call->kept_result : call->result;
    if (call->result == NULL || call->result_taken || !has_result(call))
        return;
    call->result_taken = true;
    if (call->reply.trailer.transport == FC_TRANSPORT_SHARED) {
        /* It lies in the caller's buffer already, which tells its size from fc_call_deliver on. */
        if (!fc_shared_buf_holds(call->result, (size_t)call->reply.trailer.result_size))
            call->result_error = -EPROTO;
        return;
    }
    fc_buf_clear(to);
    if (call->reply.trailer.transport == FC_TRANSPORT_REGION)
        take_region(call, to);
    else
        call->result_error = fc_buf_deliver(to, &call->reply.result);
}
