/* SERVER, CHILD: Nothing is told of a parent's death here. */
#include "os/parent_death.h"

#include <unistd.h>

void fc_end_with_parent(pid_t parent)
{
    if (getppid() != parent)
        _exit(0);
}

bool fc_adopts_orphans(void)
{
    return getpid() == 1;
}

bool fc_adopt_orphans(void)
{
    return false;
}
