/* HOST: The calls that run by FORKCALL_INLINE: each in the thread that made it, whose function may
 * have other threads. */
#ifndef FC_CHILD_INLINE_H
#define FC_CHILD_INLINE_H

#include <forkcall.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

struct fc_inline {
    struct fc_inline *outer;
    pid_t process; /* a child that is forked under the call inherits it, and is not in it */
    jmp_buf end;   /* forkcall_throw, and a cancel by the progress callback */
    pthread_t thread;
    int code;   /* given to forkcall_throw */
    bool threw; /* and it was */
    atomic_bool canceled;
    /* All of the process; these and what follows are protected by fc_fds_lock. */
    struct fc_inline *next, **link;
    unsigned generation; /* of base/descriptors.h */
    unsigned users;      /* other threads that have it from fc_inline_borrow */
    /* How often busy_by has entered fc_inline_fail and fc_inline_progress. */
    unsigned depth;
    pthread_t busy_by;
    struct forkcall_buf message;
    forkcall_progress_fn *progress;
    void *user;
};

/* That of this thread, the innermost. NULL: none. */
struct fc_inline *fc_inline_current(void);

/* For a thread that has none: that of the only thread which has. To be given back, until when the
 * call does not end. NULL: there is none, or which is meant cannot be told. */
struct fc_inline *fc_inline_borrow(void);
void fc_inline_give_back(struct fc_inline *call);

void fc_inline_enter(struct fc_inline *call);
void fc_inline_leave(void);

/* The function, from a frame that no exception gets past (child/entry.c). */
int fc_function_enter(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result);

/* Around a callback of the host's, which may run under an INLINE call of the same thread: what is
 * between the two must not be left by longjmp. */
void fc_callback_enter(void);
bool fc_callback_leave(void); /* true: the INLINE call that this is under was cancelled inside */
bool fc_is_in_callback(void);

void fc_inline_fail(struct fc_inline *call, const char *format, va_list arguments);
void fc_inline_progress(struct fc_inline *call, double done, double total, const char *note);

#endif
