/* CHILD: What happens in the child, from the fork to its end. Until the function is called, and
 * again after it: system calls, and what is known to be safe in a child of a threaded process. */
#ifndef FC_CHILD_RUN_H
#define FC_CHILD_RUN_H

#include "wire/task.h"

#include <signal.h>
#include <stdarg.h>

/* What a child ends by whose function has closed the reply and returned. */
#if defined SIGRTMAX
#define FC_MUTE_SIGNAL SIGRTMAX
#elif defined SIGEMT
#define FC_MUTE_SIGNAL SIGEMT
#endif

/* Why a child could not be made ready. */
enum fc_setup_step {
    FC_SETUP_STREAMS = 1,
    FC_SETUP_CLOSE_FDS = 2,
    FC_SETUP_LIMITS = 3,
    FC_SETUP_GO = 4, /* the caller's step */
    FC_SETUP_FUNCTION = 5,
    FC_SETUP_ARGS = 6,
    FC_SETUP_GROUP = 7,
    FC_SETUP_PREPARE = 8,
    FC_SETUP_CREDENTIALS = 9,
};

/* Before there is a task, in a process that is to wait for one: what fc_child_run would do that
 * does not depend on it. The task then has armed set. */
void fc_child_arm(void);

/* After that, in the very process: touches the memory that fc_child_run needs. */
void fc_child_touch(const struct fc_task *task);

/* Makes this process ready, runs the task and ends the process. */
_Noreturn void fc_child_run(struct fc_task *task);

/* This process is such a child; a process that it forked is not. */
bool fc_child_is_running(void);

/* What the public functions of the same names do there (child/in_call.c); the first nothing in any
 * other process. */
void fc_child_fail(const char *format, va_list arguments);
void fc_child_progress(double done, double total, const char *note);

/* ---- For child/entry.c ----------------------------------------------------------------------- */

/* Calls the function. */
_Noreturn void fc_child_enter(const struct fc_task *task, struct forkcall_buf *result);

/* The address in the frame that the function was called from. */
void fc_child_set_entry(const void *frame);
const void *fc_child_entry_frame(void);

#endif
