/* CHILD: exit() in the child, and the function's own handlers of atexit(3) at its return: the
 * caller's must not run, its streams must not be flushed or rewound. */
#ifndef FC_CHILD_EXIT_HOOKS_H
#define FC_CHILD_EXIT_HOOKS_H

#include <stdbool.h>

/* The guard of one fork by a threaded process. Its address names it in the C library's list of
 * handlers, so it must be a local variable of the function that forks: a child that forks in turn
 * has another address for its own, and keeps this one. */
struct fc_exit_hooks {
    char unused;
};

/* In the caller, before the fork, by the thread that forks. 0, or -ENOMEM: the child must not be
 * made, because exit() in it would run the caller's handlers. What was done is undone by
 * fc_exit_hooks_release. */
int fc_exit_hooks_prepare(struct fc_exit_hooks *guard);
/* In the caller, after the fork, by the same thread. */
void fc_exit_hooks_release(struct fc_exit_hooks *guard);

/* In the child, last before the function, so that the functions below come before every handler of
 * the caller. */
void fc_exit_hooks_arm(bool threaded);

/* After that, in a process that no other thread was in when it was made: at the function's return,
 * too, its own handlers are run. In a fork of the caller the list is not touched at return: another
 * thread may have held its lock, for ever. False: there is no memory, and no handler is to be
 * run. */
bool fc_exit_hooks_arm_return(void);
/* Runs what has been registered since. It does not come back, unless that was not armed. */
void fc_exit_hooks_run_handlers(int status);

/* What the guard calls (child/finish.c) after the function's own handlers have run; none of them
 * returns. */
_Noreturn void fc_child_exited(int status);
_Noreturn void fc_child_exited_unknown(void);
/* The handlers have run that the function has left, which returned; or it called exit(), whose
 * status is not known. */
_Noreturn void fc_child_handlers_have_run(void);
/* This process is a child of the library. */
bool fc_is_child(void);

#endif
