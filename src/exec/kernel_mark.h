/* ANY: A mark of copies that the kernel alone keeps. It goes through exec and fork, whatever
 * becomes of path, environment and descriptors, and a process that has it is a copy, or was started
 * by something between the exec of a copy and its forkcall_init, which takes the mark away. */
#ifndef FC_EXEC_KERNEL_MARK_H
#define FC_EXEC_KERNEL_MARK_H

#include <signal.h>
#include <stdbool.h>

/* In the maker, before and after posix_spawn of a copy, in the same thread. mask: what signals the
 * copy is to be started with blocked. Restore takes what begin returned. */
unsigned long fc_kernel_mark_begin(sigset_t *mask);
void fc_kernel_mark_end(unsigned long before);

/* In the calling thread, which is the first: has it the mark? Then the mark is taken away. */
bool fc_kernel_mark_take(void);

#endif
