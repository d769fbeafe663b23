/* exit() in the child: the caller's atexit handlers must not run, its streams must not be flushed or rewound. */
#ifndef FC_EXIT_GUARD_H
#define FC_EXIT_GUARD_H

#include <stdbool.h>

/* In the caller, before the fork, by the thread that forks. threaded: other threads run. 0, or -ENOMEM: the child must not
 * be made, because exit() in it would run the caller's handlers. What was done is undone by fc_exit_guard_release. */
int fc_exit_guard_prepare(bool threaded);
/* In the caller, after the fork, by the same thread. */
void fc_exit_guard_release(bool threaded);

/* In the child, last before the function, so that the functions below come before every handler of the caller. */
void fc_exit_guard_arm(bool threaded);

/* What the guard calls (child.c) after the function's own handlers have run; none of them returns. */
_Noreturn void fc_child_exited(int status);
_Noreturn void fc_child_exited_unknown(void);
/* This process is a child of the library. */
bool fc_is_child(void);

#endif
