/* CHILD: What happens at exit() in the child, and when the function returns with exit handlers of
 * its own. The host's handlers must not run, and its streams must not be flushed or rewound. */
#ifndef FC_CHILD_EXIT_HOOKS_H
#define FC_CHILD_EXIT_HOOKS_H

#include <stdbool.h>

/* The guard of one fork by a threaded process. Its address is its name in the C library's list of
 * handlers. So it must be a local variable of the function that forks: a child that forks in turn
 * has another address for its own guard, and keeps this one. */
struct fc_exit_hooks {
    char unused;
};

/* In the host, before the fork, by the thread that forks. 0, or -ENOMEM: the child must not be
 * made, because exit() in it would run the host's handlers. fc_exit_hooks_release undoes what was
 * done. */
int fc_exit_hooks_prepare(struct fc_exit_hooks *guard);
/* In the host, after the fork, by the same thread. */
void fc_exit_hooks_release(struct fc_exit_hooks *guard);

/* In the child, as the last step before the function, so that the functions below run before every
 * handler of the host. */
void fc_exit_hooks_install(bool threaded);

/* Arranges that the function's own handlers also run when it returns. Called after
 * fc_exit_hooks_install, in a process that had no other thread when it was made. In a fork of
 * the host the list of handlers is not touched at return, because another thread may have held
 * its lock, which then stays taken for ever. False: there is no memory, and no handler runs at
 * return. */
bool fc_exit_hooks_install_at_return(void);
/* Runs the handlers that were registered since then. Does not return, unless
 * fc_exit_hooks_install_at_return was not called. */
void fc_exit_hooks_run_handlers(int status);
/* The same, and returns when they have run: then fc_exit_hooks_install_at_return must be called
 * again. Only in a child that may be kept (child/fitness.h). */
void fc_exit_hooks_run_handlers_and_return(int status);

/* Called after the function's own handlers have run; implemented in child/finish.c. None of them
 * returns. */
_Noreturn void fc_child_exited(int status);
_Noreturn void fc_child_exited_unknown(void);
/* The function has returned and its handlers have run; or it called exit(), whose status is not
 * known. */
_Noreturn void fc_child_handlers_have_run(void);
/* True: this process is a child of the library, or was forked by one. */
bool fc_is_child(void);

#endif
