/* SERVER: Receives and runs the function of forkcall_server_options.prepare. */
#include "child/prepare.h"

#include "base/fd_message.h"
#include "child/inline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int fc_prepare_receive(int socket, struct fc_prepare *prepare)
{
    size_t count;
    int r = fc_fd_message_receive(socket, &prepare->setup, sizeof prepare->setup, NULL, 0, &count, 1);
    prepare->args = NULL;
    if (r == 0 && prepare->setup.has_prepare)
        r = fc_fd_message_receive(socket, &prepare->function, sizeof prepare->function, NULL, 0, &count, 1);
    if (r < 0 || !prepare->setup.has_prepare_args)
        return r;
    const size_t size = prepare->setup.prepare_args_size;
    prepare->args = malloc(size > 0 ? size : 1);
    if (prepare->args == NULL)
        return -ENOMEM;
    return size > 0 ? fc_fd_message_receive(socket, prepare->args, size, NULL, 0, &count, 1) : 0;
}

/* Calls prepare as an INLINE call, so that forkcall_fail and forkcall_throw work in it. */
static int call(forkcall_fn *fn, const struct fc_prepare *prepare, struct forkcall_buf *message)
{
    struct fc_inline frame = {.progress = NULL};
    struct forkcall_buf dropped = FORKCALL_BUF_INIT;
    volatile int code = 0;
    fc_inline_enter(&frame);
    if (setjmp(frame.end) == 0)
        code = fc_function_enter(fn, prepare->args, prepare->setup.prepare_args_size, &dropped);
    else
        code = frame.code;
    fc_inline_leave();
    forkcall_buf_free(&dropped);
    *message = frame.message;
    return code;
}

int fc_prepare_run(const struct fc_prepare *prepare, char *why, size_t why_size)
{
    forkcall_fn *fn;
    struct forkcall_buf message = FORKCALL_BUF_INIT;
    if (!prepare->setup.has_prepare)
        return 0;
    const int r = fc_module_find(&prepare->function, &fn, why, why_size);
    if (r < 0)
        return r;
    const int code = call(fn, prepare, &message);
    if (code != 0 && message.size > 0)
        snprintf(why, why_size, "prepare failed: %.*s", (int)message.size, (const char *)message.data);
    else if (code != 0)
        snprintf(why, why_size, "prepare returned %d", code);
    forkcall_buf_free(&message);
    return code != 0 ? -ECANCELED : 0;
}
