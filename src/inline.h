/* The call that runs by FORKCALL_INLINE in this thread. */
#ifndef FC_INLINE_H
#define FC_INLINE_H

#include <forkcall.h>

#include <setjmp.h>
#include <stdarg.h>

struct fc_inline {
    struct fc_inline *outer;
    pid_t process; /* a child that is forked under the call inherits it, and is not in it */
    jmp_buf end;   /* forkcall_throw, and a cancel by the progress callback */
    int code;      /* given to forkcall_throw */
    bool canceled;
    struct forkcall_buf message;
    forkcall_progress_fn *progress;
    void *user;
};

/* NULL: none. */
struct fc_inline *fc_inline_current(void);
void fc_inline_enter(struct fc_inline *call);
void fc_inline_leave(void);

/* The function, from a frame that no exception gets past (child_entry.c). */
int fc_enter(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result);

/* Around a callback of the host's, which may run under an INLINE call of the same thread: what is between the two must not
 * be left by longjmp. */
void fc_callback_enter(void);
bool fc_callback_leave(void); /* true: the INLINE call that this is under was cancelled inside */
bool fc_is_in_callback(void);

void fc_inline_fail(struct fc_inline *call, const char *format, va_list arguments);
void fc_inline_progress(struct fc_inline *call, double done, double total, const char *note);

#endif
