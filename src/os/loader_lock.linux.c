/* HOST: Linux: A fork tries the loader's locks.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr, dl_iterate_phdr, __WALL */
#endif
#include "os/loader_lock.h"

#include "os/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 200

#pragma weak dladdr /* absent in a static program */

static int stop(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)info;
    (void)size;
    (void)unused;
    return 1;
}

/* In the fork, whose copies of the locks are as the locks were. */
static _Noreturn void try_locks(void)
{
    static const char here;
    Dl_info info;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)dl_iterate_phdr(stop, NULL);
    if (dladdr != NULL)
        (void)dladdr(&here, &info);
    _exit(0);
}

/* True: the process ended with 0 in time. It is gone in any case. */
static bool ends_in_time(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    int status = -1;
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        const pid_t ended = waitpid(pid, &status, WNOHANG | __WALL);
        if (ended != 0)
            return ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        (void)nanosleep(&pause, NULL);
    }
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR) {
    }
    return false;
}

/* The fork ends without a signal, and the program's wait(2) does not see it. No handler of the
 * program's runs in it. */
bool fc_loader_is_free(void)
{
    sigset_t all, old;
    if (!fc_may_have_other_threads())
        return true;
    (void)sigfillset(&all);
    if (pthread_sigmask(SIG_BLOCK, &all, &old) != 0)
        return false;
    const pid_t pid = (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
    if (pid == 0)
        try_locks();
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return pid > 0 && ends_in_time(pid);
}
