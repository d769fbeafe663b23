/* HOST: INLINE calls: which of them this thread runs, and what happens in them. */
#ifndef FC_CHILD_INLINE_H
#define FC_CHILD_INLINE_H

#include <forkcall.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

struct fc_inline {
    struct fc_inline *outer;
    /* The process that made the call; one that the function forks has the struct, but does not run
     * the call. */
    pid_t process;
    jmp_buf end; /* where forkcall_throw goes, and a cancel by the progress callback */
    pthread_t thread;
    int code;   /* given to forkcall_throw */
    bool threw; /* forkcall_throw was called */
    atomic_bool canceled;
    /* The list of all INLINE calls of the process. This and what follows is protected by
     * fc_fds_lock. */
    struct fc_inline *next, **link;
    unsigned generation; /* fc_fds_generation() when the call was made */
    unsigned users;      /* other threads that have the call from fc_inline_borrow */
    /* How often the thread busy_by has entered fc_inline_fail and fc_inline_progress and not
     * left. */
    unsigned depth;
    pthread_t busy_by;
    struct forkcall_buf message;
    forkcall_progress_fn *progress;
    void *user;
};

/* The innermost INLINE call of this thread. NULL: there is none. */
struct fc_inline *fc_inline_current(void);

/* The INLINE call of the only thread that runs one, for a thread that runs none. The call does not
 * end before fc_inline_give_back. NULL: no thread runs one, or several do. */
struct fc_inline *fc_inline_borrow(void);
void fc_inline_give_back(struct fc_inline *call);

void fc_inline_enter(struct fc_inline *call);
void fc_inline_leave(void);

/* Calls the function from a frame that no exception passes (child/entry.c). Returns what the
 * function returns. */
int fc_function_enter(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result);

/* Called around a callback of the host's, which may run under an INLINE call of the same thread.
 * forkcall_throw must not leave the callback by longjmp. */
void fc_callback_enter(void);
/* True: the INLINE call of this thread was canceled in the callback. */
bool fc_callback_leave(void);
bool fc_is_in_callback(void);

void fc_inline_fail(struct fc_inline *call, const char *format, va_list arguments);
void fc_inline_progress(struct fc_inline *call, double done, double total, const char *note);

#endif
