/* CHILD: What a child can still say when it crashes. */
#ifndef FC_CHILD_CRASH_HANDLER_H
#define FC_CHILD_CRASH_HANDLER_H

#include "wire/crash_notice.h"

#include <forkcall.h>

#include <signal.h>

/* In a child that is no fork of its caller, or in the process that forks such: notes where modules
 * lie. That is not for a signal handler either. */
void fc_crash_note_modules(void);

/* In the child: does so again if the function's module has come since. */
void fc_crash_note_function(forkcall_fn *fn);

/* In the child: makes ready for fc_crash_catch. by_fork: where modules lie need not be told. */
void fc_crash_arm(bool by_fork);

/* Installs the handler, on a stack of its own, for a signal of struct forkcall_crash; old: what
 * stood there. */
void fc_crash_catch(int signal, struct sigaction *old);

/* Is this one of them? */
bool fc_crash_is_caught(int signal);

#endif
