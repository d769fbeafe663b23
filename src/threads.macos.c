#include "hazard.h"

#include <libproc.h>
#include <pthread.h>
#include <sys/sysctl.h>
#include <unistd.h>

#ifndef AFORK
#define AFORK 0x00000001 /* <sys/acct.h>: forked, and has not exec'ed */
#endif

bool fc_may_have_other_threads(void)
{
    return fc_has_other_threads();
}

bool fc_has_other_threads(void)
{
    struct proc_taskinfo info;
    if (!pthread_is_threaded_np()) /* set by the first pthread or dispatch worker; it stays set */
        return false;
    if (proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &info, sizeof info) == (int)sizeof info)
        return info.pti_threadnum > 1;
    return true;
}

bool fc_is_forked_copy(void)
{
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()};
    struct kinfo_proc info;
    size_t size = sizeof info;
    return sysctl(name, 4, &info, &size, NULL, 0) == 0 && size == sizeof info && (info.kp_proc.p_acflag & AFORK) != 0;
}
