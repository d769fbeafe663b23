/* ANY: macOS: Asks pthread_is_threaded_np(3). */
#include "os/threads.h"

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

/* The flag is set by the first pthread or dispatch worker, and is never reset except in a forked
 * child. Whether those threads still run does not matter: libdispatch and Objective-C look at the
 * same flag alone, and break in the child of a process that has it set (libdispatch, src/queue.c
 * 7458; objc4, runtime/objc-os.mm 827). So counting threads would be wrong. */
bool fc_has_other_threads(void)
{
    return pthread_is_threaded_np() != 0;
}

bool fc_other_threads_go_on(void)
{
    return fc_has_other_threads();
}

const char *fc_other_threads_in_words(void)
{
    return "other threads run, or have run, in this process";
}

bool fc_was_forked(void)
{
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()};
    struct kinfo_proc info;
    size_t size = sizeof info;
    return sysctl(name, 4, &info, &size, NULL, 0) == 0 && size == sizeof info && (info.kp_proc.p_acflag & AFORK) != 0;
}
