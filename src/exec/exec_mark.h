/* ANY: A mark of re-executed programs that only the kernel keeps. It stays over exec and fork,
 * whatever happens to path, environment and descriptors. A process that has it is a re-executed
 * program, or was started by something between the exec of one and its forkcall_init(), which takes
 * the mark away. */
#ifndef FC_EXEC_EXEC_MARK_H
#define FC_EXEC_EXEC_MARK_H

#include <signal.h>
#include <stdbool.h>

/* Called in the maker around posix_spawn(3), in the same thread. *mask: gets the signals that
 * the new process must start with blocked. fc_exec_mark_end takes what fc_exec_mark_begin
 * returned. */
unsigned long fc_exec_mark_begin(sigset_t *mask);
void fc_exec_mark_end(unsigned long before);

/* Looks for the mark in the calling thread, which is the first one, and takes the mark away. True:
 * it was there. */
bool fc_exec_mark_take(void);

#endif
