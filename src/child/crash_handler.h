/* CHILD: What a child sends to the host when it crashes. */
#ifndef FC_CHILD_CRASH_HANDLER_H
#define FC_CHILD_CRASH_HANDLER_H

#include "wire/crash_notice.h"

#include <forkcall.h>

#include <signal.h>

/* Notes where modules lie. Called in a child that is no fork of the host, or in the server that
 * forks such. Not async-signal-safe, so it cannot wait for the crash. */
void fc_crash_note_modules(void);

/* Notes the modules again if the function's module was loaded since. */
void fc_crash_note_function(forkcall_fn *fn);

/* Prepares for fc_crash_catch. by_fork: the host's modules lie where the child's do, so they are
 * not sent. */
void fc_crash_prepare(bool by_fork);

/* Installs the handler for a signal that has one. It runs on a stack of its own. old: gets
 * what was installed before. */
void fc_crash_catch(int signal, struct sigaction *old);

/* The handler of that signal, and the stack that it runs on, are those that this file has
 * installed. */
bool fc_crash_is_ours(int signal);
bool fc_crash_has_its_stack(void);

/* Takes back what fc_crash_prepare and fc_crash_catch have done: the signals have their default
 * effect. Handlers of others stay. */
void fc_crash_release(void);
/* After that: installs the handlers again where the default effect still stands. */
void fc_crash_take_back(void);

/* True: the signal has a handler of this file: one that a crash raises, or FC_WHERE_SIGNAL, at
 * which the child tells where its function is. */
bool fc_crash_has_handler(int signal);

/* True: this is a signal that a crash raises, and that children catch. */
bool fc_crash_is_caught(int signal);
/* True: the host's own handler of this signal is one for crashes, and no part of its daily work. */
bool fc_crash_is_fatal(int signal);

#endif
