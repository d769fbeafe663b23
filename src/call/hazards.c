/* HOST: Gathers what makes a plain fork unsafe now. */
#include "call/hazards.h"

#include "base/kept.h"
#include "os/fork_unsafe_libraries.h"
#include "os/threads.h"

#include <forkcall.h>

unsigned fc_hazards_to_refuse(void)
{
    unsigned hazards = 0;
    if (fc_has_other_threads())
        hazards |= FORKCALL_HAZARD_THREADS;
    if (fc_was_forked())
        hazards |= FORKCALL_HAZARD_FORKED;
    return hazards;
}

unsigned fc_hazards_that_last(unsigned hazards)
{
    const bool ended = (hazards & FORKCALL_HAZARD_THREADS) != 0 && !fc_other_threads_go_on();
    return ended ? hazards & ~(unsigned)FORKCALL_HAZARD_THREADS : hazards;
}

unsigned fc_hazard_of_libraries(void)
{
    return !forkcall_in_child() && fc_has_hostile_library(false) ? FORKCALL_HAZARD_LIBRARY : 0;
}

unsigned forkcall_hazards(void)
{
    const struct fc_kept kept = fc_keep();
    unsigned hazards = fc_hazards_that_last(fc_hazards_to_refuse());
    /* Not in a child, where the loader's lock may be held for ever by a thread of the host. */
    if (!forkcall_in_child() && fc_has_hostile_library(true))
        hazards |= FORKCALL_HAZARD_LIBRARY;
    fc_restore(kept);
    return hazards;
}
