/* CHILD: The public functions that concern a call. They act on the INLINE call of this thread; else
 * on the call that this process was made for; else on the INLINE call whose function has made this
 * thread. */
#include "base/kept.h"
#include "child/exit_hooks.h"
#include "child/finish.h"
#include "child/inline.h"
#include "child/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void check_escape(const void *frame)
{
    if (fc_inline_current() == NULL)
        fc_child_check_escape(frame);
}

static void record(const char *format, va_list arguments)
{
    const struct fc_kept kept = fc_keep();
    struct fc_inline *call = fc_inline_current();
    if (call != NULL) {
        fc_inline_fail(call, format, arguments);
    } else if (fc_is_child()) {
        fc_child_fail(format, arguments);
    } else if ((call = fc_inline_borrow()) != NULL) {
        fc_inline_fail(call, format, arguments);
        fc_inline_give_back(call);
    }
    fc_restore(kept);
}

int forkcall_fail(int code, const char *format, ...)
{
    va_list arguments;
    check_escape(__builtin_frame_address(0));
    va_start(arguments, format);
    record(format, arguments);
    va_end(arguments);
    return code == 0 ? EINVAL : code;
}

void forkcall_throw(int code, const char *format, ...)
{
    struct fc_inline *call = fc_inline_current();
    va_list arguments;
    va_start(arguments, format);
    record(format, arguments);
    va_end(arguments);
    if (code == 0)
        code = EINVAL;
    if (call != NULL && fc_is_in_callback()) {
        fputs("forkcall_throw: called from a callback\n", stderr);
        abort();
    }
    if (call != NULL) {
        call->code = code;
        call->threw = true;
        longjmp(call->end, 1);
    }
    if (!fc_is_child()) {
        fputs("forkcall_throw: called outside any call\n", stderr);
        abort();
    }
    check_escape(__builtin_frame_address(0));
    fc_child_throw(code);
}

void forkcall_progress(double done, double total, const char *note)
{
    const struct fc_kept kept = fc_keep();
    struct fc_inline *call = fc_inline_current();
    if (call != NULL) {
        fc_inline_progress(call, done, total, note);
    } else if (fc_child_is_running()) {
        check_escape(__builtin_frame_address(0));
        fc_child_progress(done, total, note);
    } else if (!fc_is_child() && (call = fc_inline_borrow()) != NULL) {
        fc_inline_progress(call, done, total, note);
        fc_inline_give_back(call);
    }
    fc_restore(kept);
}

bool forkcall_in_child(void)
{
    return fc_is_child();
}

int forkcall_version(void)
{
    return FORKCALL_VERSION;
}
