/* CHILD: Whether this process is as it was when it was handed out, so that it may serve another
 * call. What the function has left in memory is not looked at. */
#ifndef FC_CHILD_FITNESS_H
#define FC_CHILD_FITNESS_H

#include "wire/caller.h"

#include <stdbool.h>
#include <stdint.h>

/* Called before the function, once the process has taken on what the caller has: notes what the
 * process has. For a caller that is like the one before, the first note stands. False: that cannot
 * be found out, and the process must not be kept. */
bool fc_fitness_note(const struct fc_caller *caller);

/* Called after the trailer, by the function's thread: true if this process has what was noted, one
 * thread and no child, and its resident memory has grown by no more than may_grow bytes since the
 * first note. */
bool fc_fitness_holds(uint64_t may_grow);

#endif
