/* SERVER, CHILD: A process ends when its parent does, and gets orphans as children. */
#ifndef FC_OS_PROCESS_TREE_H
#define FC_OS_PROCESS_TREE_H

#include <stdbool.h>
#include <sys/types.h>

/* Makes this process end when its parent ends, whose only thread has made it. Systems without such
 * a signal: the process ends at the end of file of its request or its call. */
void fc_end_with_parent(pid_t parent);

/* Makes this process the parent of its descendants that lose theirs. They do not become children of
 * a host that is PID 1 or a subreaper (prctl(2)) then. False: the system cannot do it. */
bool fc_adopt_orphans(void);

/* True: this process gets such children. */
bool fc_adopts_orphans(void);

#endif
