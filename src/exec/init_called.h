/* ANY: Whether forkcall_init() was called in this process, and what the process has been since
 * then. */
#ifndef FC_EXEC_INIT_CALLED_H
#define FC_EXEC_INIT_CALLED_H

#include <stdbool.h>

/* Called by forkcall_init(). in_exec_self: the library has started this process as a new process of
 * the program. */
void fc_init_note(bool in_exec_self);

/* True: forkcall_init() was called, so re-executed programs know what they are. */
bool fc_init_was_called(void);

/* True: the library has started this process by exec, or it was forked from such a process. */
bool fc_init_is_in_exec_self(void);

#endif
