/* ANY: whether forkcall_init was called in this process, and what the process is since. */
#ifndef FC_EXEC_INIT_STATE_H
#define FC_EXEC_INIT_STATE_H

#include <stdbool.h>

/* By forkcall_init. in_exec_self: this process is a copy of the program that the library has made. */
void fc_init_note(bool in_exec_self);

/* Copies of this program know what they are. */
bool fc_init_was_called(void);

/* This process is such a copy, or was forked from one. */
bool fc_init_is_in_exec_self(void);

#endif
