/* HOST: For systems that cannot close all descriptors by one action: closes those that are open now
 * and not close-on-exec, as /proc or /dev lists them. The new process also gets what another thread
 * of the host opens meanwhile, and what lies above a limit that was lowered since. */
#include "exec/spawn_self.h"

#include "base/descriptors.h"
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static int close_listed(DIR *list, posix_spawn_file_actions_t *actions)
{
    int r = 0;
    for (struct dirent *entry = readdir(list); r == 0 && entry != NULL; entry = readdir(list)) {
        char *end;
        const long fd = strtol(entry->d_name, &end, 10);
        if (end == entry->d_name || *end != '\0' || fd <= FC_EXEC_SELF_FD)
            continue;
        const int flags = fcntl((int)fd, F_GETFD);
        if (flags >= 0 && (flags & FD_CLOEXEC) == 0)
            r = posix_spawn_file_actions_addclose(actions, (int)fd);
        if (r == EBADF) /* it lies above a limit that was lowered since: no action may name it */
            r = 0;
    }
    return r;
}

/* A pipe of this library is close-on-exec from the beginning, or, without pipe2(2), once the lock
 * is free. Then the lock is held until the new process has its program. */
#ifdef HAVE_PIPE2
static const bool holds_lock = false;
#else
static const bool holds_lock = true;
#endif

void fc_spawn_self_begin(void)
{
    if (holds_lock)
        fc_fds_lock();
}

void fc_spawn_self_end(void)
{
    if (holds_lock)
        fc_fds_unlock();
}

int fc_spawn_self_close_others(posix_spawn_file_actions_t *actions, short *flags)
{
    (void)flags;
    int r = 0;
    if (!holds_lock)
        fc_fds_lock();
    DIR *list = opendir("/proc/self/fd");
    if (list == NULL)
        list = opendir("/dev/fd");
    if (list != NULL) {
        r = close_listed(list, actions);
        closedir(list);
    }
    if (!holds_lock)
        fc_fds_unlock();
    return r;
}
