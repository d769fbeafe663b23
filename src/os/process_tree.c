/* SERVER, CHILD: Uses prctl(2), PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER, on systems that have
 * them. */
#include "os/process_tree.h"

#include "config.h"

#include <unistd.h>

#ifdef HAVE_PDEATHSIG
#include <signal.h>
#include <sys/prctl.h>

void fc_end_with_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    /* The parent has ended already: end in the same way, which a host can see. */
    if (getppid() != parent)
        raise(SIGKILL);
}

bool fc_adopts_orphans(void)
{
    int adopts = 0;
    if (getpid() == 1)
        return true;
#ifdef PR_GET_CHILD_SUBREAPER
    if (prctl(PR_GET_CHILD_SUBREAPER, &adopts, 0, 0, 0) < 0)
        return false;
#endif
    return adopts != 0;
}

bool fc_adopt_orphans(void)
{
#ifdef PR_SET_CHILD_SUBREAPER
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
#else
    return false;
#endif
}

#else

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

#endif
