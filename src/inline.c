#include "inline.h"

#include "frame.h"
#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* On macOS this variable does more: dyld never unloads an image that has thread-local variables. Handlers of the C library's
 * (fork, thread exit) point into the library's code, and the linker there knows no -z nodelete. */
static _Thread_local struct fc_inline *current;
struct fc_inline *fc_inline_current(void)
{
    return current != NULL && current->process == getpid() ? current : NULL;
}

static _Thread_local unsigned callbacks;

void fc_callback_enter(void)
{
    callbacks++;
}

bool fc_callback_leave(void)
{
    const struct fc_inline *call = fc_inline_current();
    callbacks--;
    return call != NULL && call->canceled;
}

bool fc_is_in_callback(void)
{
    return callbacks > 0;
}

void fc_inline_enter(struct fc_inline *call)
{
    call->outer = current;
    call->process = getpid();
    current = call;
}

void fc_inline_leave(void)
{
    current = current->outer;
}

void fc_inline_fail(struct fc_inline *call, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    const int n = vsnprintf(NULL, 0, format, arguments);
    const size_t size = n < 0 ? 0 : (size_t)n < FC_MESSAGE_MAX ? (size_t)n : FC_MESSAGE_MAX - 1;
    forkcall_buf_truncate(&call->message, 0);
    char *text = forkcall_buf_extend(&call->message, size + 1);
    if (text != NULL) {
        vsnprintf(text, size + 1, format, again);
        forkcall_buf_truncate(&call->message, size);
    }
    va_end(again);
}

void fc_inline_progress(struct fc_inline *call, double done, double total, const char *note)
{
    char cut[FC_NOTE_MAX + 1] = "";
    if (call->progress == NULL || !isfinite(done) || !isfinite(total))
        return;
    if (note != NULL)
        memcpy(cut, note, fc_utf8_cut(note, strnlen(note, FC_NOTE_MAX + 4), FC_NOTE_MAX));
    if (call->canceled || call->progress(call->user, done, total, cut) == 0)
        return;
    call->canceled = true;
    if (!fc_is_in_callback()) /* else a call inside this one would be left running: fc_callback_leave tells it */
        longjmp(call->end, 1);
}
