/* HOST: macOS: The kernel tells whether a process is traced, and only debuggers trace (QA1361). */
#include "os/debugger.h"

#include <string.h>
#include <sys/proc.h>
#include <sys/sysctl.h>
#include <unistd.h>

bool fc_debugger_is_attached(pid_t child)
{
    struct kinfo_proc info;
    size_t size = sizeof info;
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()};
    (void)child; /* the kernel does not tell by whom: perhaps by the function's own process */
    memset(&info, 0, sizeof info);
    return sysctl(name, sizeof name / sizeof *name, &info, &size, NULL, 0) == 0 &&
           (info.kp_proc.p_flag & P_TRACED) != 0;
}
