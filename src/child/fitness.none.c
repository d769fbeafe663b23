/* CHILD: For systems that do not tell what a process has: no child is kept. */
#include "child/fitness.h"

bool fc_fitness_note(const struct fc_caller *caller)
{
    (void)caller;
    return false;
}

bool fc_fitness_holds(uint64_t may_grow)
{
    (void)may_grow;
    return false;
}
