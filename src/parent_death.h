#ifndef FC_PARENT_DEATH_H
#define FC_PARENT_DEATH_H

#include <sys/types.h>

/* This process ends when its parent does, whose one thread made it. Where that is not to be had it ends by itself: at the end
 * of file of its request, or of its call. */
void fc_end_with_parent(pid_t parent);

#endif
