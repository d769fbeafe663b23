/* CHILD: macOS: Closes what the kernel's list of this process's descriptors names. */
#include "child/close_fds.h"

#include <errno.h>
#include <libproc.h>
#include <sys/mman.h>
#include <unistd.h>

int fc_close_fds_except(const int *keep, size_t count)
{
    const int bytes = proc_pidinfo(getpid(), PROC_PIDLISTFDS, 0, NULL, 0); /* an upper bound */
    if (bytes <= 0)
        return -errno;
    struct proc_fdinfo *list = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (list == MAP_FAILED)
        return -errno;
    const int filled = proc_pidinfo(getpid(), PROC_PIDLISTFDS, 0, list, bytes);
    for (int i = 0; i < filled / (int)sizeof *list; i++)
        if (list[i].proc_fd > 2 && !fc_close_fds_keeps(keep, count, list[i].proc_fd))
            close(list[i].proc_fd);
    munmap(list, (size_t)bytes);
    return filled < 0 ? -EIO : 0;
}
