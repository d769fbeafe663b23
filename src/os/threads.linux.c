/* ANY: Linux: Asks glibc, unshare(2) and /proc/self/task, in this order. */
#include "os/threads.h"

#include "base/small_file.h"
#include "config.h"
#include "os/thread_list.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- Threads that are ending ----------------------------------------------------------------- */

enum { MANY_TASKS = 16 };

/* A thread that ends has PF_EXITING among its flags, the ninth word of its line (proc(5)), before
 * pthread_join returns in another thread. From then on it runs no code of the program. What cannot
 * be read says nothing of the thread. */
static bool is_ending(long id)
{
    enum { PF_EXITING = 4 };
    char path[60], line[600];
    (void)snprintf(path, sizeof path, "/proc/self/task/%ld/stat", id);
    if (!fc_small_file_read(path, line, sizeof line))
        return syscall(SYS_tgkill, getpid(), id, 0) < 0 && errno == ESRCH;
    const char *word = strrchr(line, ')'); /* ends the second word, which may have spaces */
    for (int i = 2; word != NULL && i < 9; i++)
        word = strchr(word + 1, ' ');
    return word != NULL && (strtoul(word, NULL, 10) & PF_EXITING) != 0;
}

bool fc_other_threads_go_on(void)
{
    long ids[MANY_TASKS];
    if (!fc_has_other_threads())
        return false;
    const long count = fc_thread_list(ids, MANY_TASKS);
    for (long i = 0; i < count && i < MANY_TASKS; i++)
        if (!is_ending(ids[i]))
            return true;
    return count < 0 || count > MANY_TASKS;
}

/* ---------------------------------------------------------------------------------------------- */

const char *fc_other_threads_in_words(void)
{
    return "other threads run in this process";
}

bool fc_was_forked(void)
{
    return false; /* on Linux a forked child may fork again */
}
