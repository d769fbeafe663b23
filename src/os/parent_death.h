/* SERVER, CHILD: A process that dies with its parent. */
#ifndef FC_OS_PARENT_DEATH_H
#define FC_OS_PARENT_DEATH_H

#include <stdbool.h>
#include <sys/types.h>

/* This process ends when its parent does, whose one thread made it. Where that is not to be had it
 * ends by itself: at the end of file of its request, or of its call. */
void fc_end_with_parent(pid_t parent);

/* Descendants of this process that lose their parent become its children (and no longer those of a
 * host that is PID 1 or a subreaper, prctl(2)). False: that is not to be had. */
bool fc_adopt_orphans(void);

/* This process gets such children. */
bool fc_adopts_orphans(void);

#endif
