/* CHILD: The child from its task to the call of the function. Until the function is called, and
 * again after it, the child makes only system calls and what is known to be safe in a child of a
 * threaded process. */
#ifndef FC_CHILD_RUN_H
#define FC_CHILD_RUN_H

#include "wire/task.h"

#include <signal.h>
#include <stdarg.h>

/* A child whose function has closed the reply, and has then returned, ends by this signal. */
#ifdef SIGRTMAX
#define FC_MUTE_SIGNAL SIGRTMAX
#else
#define FC_MUTE_SIGNAL SIGEMT
#endif

/* The step at which a child could not be made ready. */
enum fc_setup_step {
    FC_SETUP_STREAMS = 1,
    FC_SETUP_CLOSE_FDS = 2,
    FC_SETUP_LIMITS = 3,
    FC_SETUP_GO = 4, /* the host could not write the request or the go byte */
    FC_SETUP_FUNCTION = 5,
    FC_SETUP_ARGS = 6,
    FC_SETUP_GROUP = 7,
    FC_SETUP_PREPARE = 8,
    FC_SETUP_CREDENTIALS = 9,
};

/* Installs the handlers that do not depend on the task, for a process that waits for a task, which
 * then has has_handlers set. */
void fc_child_install_handlers(void);

/* Called before there is a call, after fc_child_install_handlers, also in a child that a process
 * with these handlers has forked. waits: the request may come later, so the memory that
 * fc_child_run needs is touched now. */
void fc_child_prefault(const struct fc_task *task, bool waits);

/* Loads the module of a function before there is a call for it. Ends the process if a constructor
 * has closed the channel of the child. Called after fc_child_prefault, with the same task. */
void fc_child_load_early(const struct fc_task *ready, const struct fc_module_function *name);

/* Makes this process ready, runs the task and ends the process. */
_Noreturn void fc_child_run(struct fc_task *task);

/* The same, but returns if task->keep is set and this process is as it was before the call. Then
 * the host knows that it waits for another request. */
void fc_child_run_or_keep(struct fc_task *task);

/* True: this process runs a call. False in a process that it has forked. Async-signal-safe. */
bool fc_child_is_running(void);

/* What forkcall_fail and forkcall_progress do in a child (child/in_call.c). fc_child_fail does
 * nothing in a process that the function has forked. */
void fc_child_fail(const char *format, va_list arguments);
/* (child/progress.c) */
void fc_child_progress(double done, double total, const char *note);

/* ---- For child/entry.c ----------------------------------------------------------------------- */

/* Calls the function, and ends the process when it has returned; or returns, if the process may be
 * kept. */
void fc_child_enter(const struct fc_task *task, struct forkcall_buf *result);

/* Marks the functions whose frames lie below the function's. Their code lies in a section of its
 * own, whose bounds the linker tells. */
#ifdef __ELF__
#define FC_ENTRY_CODE __attribute__((section("fc_entry"), noinline))
#else
#define FC_ENTRY_CODE __attribute__((section("__TEXT,fc_entry,regular,pure_instructions"), noinline))
#endif

/* In any process: true if the address lies in the code of these functions. */
bool fc_child_entry_holds(uint64_t address);

/* Notes an address in the frame that called the function; the other function returns it. */
void fc_child_set_entry(const void *frame);
const void *fc_child_entry_frame(void);

#endif
