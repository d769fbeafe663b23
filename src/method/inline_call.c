/* HOST: INLINE: A direct call in this thread. There is no child. */
#include "method/table.h"

#include "base/io.h"
#include "base/report_message.h"
#include "child/inline.h"

#include <errno.h>
#include <string.h>

static bool refuses(struct forkcall_call *call)
{
    (void)call;
    return false;
}

static void settle(struct forkcall_call *call, enum forkcall_status status, int code)
{
    call->report.status = status;
    call->report.code = code;
    call->report.ran = FORKCALL_RAN_YES;
    call->report.elapsed_ns = fc_now_ns() - call->start_ns;
    call->stage = FC_STAGE_DONE;
}

/* The function failed and said why. Keep equal to end_with_code in child/finish.c. */
static bool fails_in_its_own_words(const struct fc_inline *frame, int code)
{
    return code != 0 && (frame->threw || frame->message.size > 0);
}

static void start(struct forkcall_call *call)
{
    struct fc_inline frame = {.progress = call->options.progress, .user = call->options.user};
    struct forkcall_buf *result = &call->reply.result;
    /* The function's return value; volatile because forkcall_throw comes back by longjmp. */
    volatile int code = 0;
    fc_buf_set_limit(result, call->task.max_result);
    fc_inline_enter(&frame);
    if (setjmp(frame.end) == 0)
        code = fc_function_enter(call->task.fn, call->task.args, call->task.args_size, result);
    else
        code = frame.code;
    fc_inline_leave();
    const int error = fc_buf_error(result);
    const bool too_big = error == -EFBIG && !fails_in_its_own_words(&frame, code);
    if (code != 0 && !too_big)
        call->reply.message = frame.message;
    else
        /* The function called forkcall_fail and then succeeded. */
        forkcall_buf_free(&frame.message);
    if (frame.canceled)
        settle(call, FORKCALL_CANCELED, 0);
    else if (too_big)
        settle(call, FORKCALL_TOO_BIG, EFBIG);
    else if (code != 0)
        settle(call, FORKCALL_FAILED, code);
    else if (error != 0)
        settle(call, FORKCALL_FAILED, -error);
    else
        settle(call, FORKCALL_OK, 0);
    fc_call_take_result(call);
    if (call->report.status == FORKCALL_FAILED && code == 0)
        fc_report_message(&call->report, FC_NO_MEMORY_MESSAGE);
    fc_call_say_inline(call);
}

const struct fc_method fc_method_inline = {.refuses = refuses, .start = start, .shares_addresses = true};
