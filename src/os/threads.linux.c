/* ANY: Linux: Asks glibc, unshare(2) and /proc/self/task, in this order. */
#include "os/threads.h"

#include "config.h"

#include <errno.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_LIBC_SINGLE_THREADED
#include <sys/single_threaded.h>
static bool libc_saw_no_thread(void)
{
    /* glibc 2.32. It may stay false after the last thread has ended. */
    return __libc_single_threaded;
}
#else
static bool libc_saw_no_thread(void)
{
    return false;
}
#endif

bool fc_may_have_other_threads(void)
{
#ifdef HAVE_LIBC_SINGLE_THREADED
    return !libc_saw_no_thread();
#else
    return fc_has_other_threads();
#endif
}

bool fc_has_other_threads(void)
{
    struct stat tasks;
    if (libc_saw_no_thread())
        return false;
    /* unshare(CLONE_VM) changes nothing: it succeeds in a process of one thread and fails with
     * EINVAL in others (unshare(2)). If a sandbox or an emulator answers otherwise, /proc counts.
     * If /proc is missing, too, the answer is the worse one. */
    if (syscall(SYS_unshare, CLONE_VM) == 0)
        return false;
    if (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 2)
        return tasks.st_nlink > 3; /* ".", "..", and one for each thread */
    return true;
}

const char *fc_other_threads_in_words(void)
{
    return "other threads run in this process";
}

bool fc_was_forked(void)
{
    return false; /* on Linux a forked child may fork again */
}
