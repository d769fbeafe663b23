/* HOST: Reads the captured streams and hands them to the callback. */
#include "call/output.h"

#include "base/io.h"
#include "base/poll_fds.h"
#include "base/utf8.h"
#include "child/inline.h"
#include "result/buf.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TAIL 8192U
#define PIECE 4096U

static void keep_tail(struct forkcall_buf *tail, const char *data, size_t size)
{
    if (forkcall_buf_append(tail, data, size) == 0 && tail->size > TAIL) {
        const size_t extra = fc_utf8_skip(tail->data, tail->size, tail->size - TAIL);
        memmove(tail->data, (char *)tail->data + extra, tail->size - extra);
        forkcall_buf_truncate(tail, tail->size - extra);
    }
}

static void tell(struct forkcall_call *call, enum fc_fd which, const char *data, size_t size)
{
    const int stream = which == FC_FD_OUT ? STDOUT_FILENO : STDERR_FILENO;
    if (call->options.output == NULL || call->quiet || size == 0)
        return;
    fc_callback_enter();
    const int r = call->options.output(call->options.user, stream, data, size);
    const bool canceled = fc_callback_leave() || r != 0;
    fc_call_come_back(call);
    if (canceled) {
        call->quiet = true;
        fc_call_cancel(call);
    }
}

/* Reads a piece and returns its size. 0: there is none. */
static size_t read_piece(struct forkcall_call *call, enum fc_fd which, char data[PIECE])
{
    const ssize_t n = fc_read(call->fds.fd[which], data, PIECE);
    if (n == -EAGAIN)
        return 0;
    if (n <= 0) {
        fc_call_close_fd(call, which);
        return 0;
    }
    const bool has_errors = which == FC_FD_ERR || call->options.standard_error == FORKCALL_STREAM_JOIN;
    if (has_errors)
        fc_hints_scan(&call->hint_scan, data, (size_t)n);
    if (has_errors)
        keep_tail(&call->stderr_tail, data, (size_t)n);
    return (size_t)n;
}

void fc_output_read(struct forkcall_call *call, enum fc_fd which)
{
    char data[PIECE];
    /* Late output waits in the pipe for fc_output_rest. */
    call->late = !call->quiet && !fc_call_may_call_back(call);
    if (!call->late)
        tell(call, which, data, read_piece(call, which, data));
    else if (fc_now_ns() < call->callbacks_until_ns)
        fc_call_cancel(call); /* nobody empties the pipe from now on, so the child must end */
}

/* Not part of fc_output_rest, whose frame would take a page of the stack in calls that capture
 * nothing. */
static __attribute__((noinline)) void read_rest(struct forkcall_call *call, enum fc_fd which)
{
    struct forkcall_buf rest = FORKCALL_BUF_INIT;
    for (int i = 0; i < FC_READS_MAX && fc_call_is_readable(call, which); i++) {
        char data[PIECE];
        const size_t size = read_piece(call, which, data);
        if (size == 0)
            break;
        if (rest.size == 0 && fc_call_may_call_back(call))
            tell(call, which, data, size);
        else if (!call->quiet)
            forkcall_buf_append(&rest, data, size); /* without memory the last part is lost */
    }
    tell(call, which, rest.data, rest.size);
    forkcall_buf_free(&rest);
}

void fc_output_rest(struct forkcall_call *call, enum fc_fd which)
{
    if (call->fds.fd[which] >= 0)
        read_rest(call, which);
}
