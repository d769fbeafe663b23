/* ANY: Linux: Lists /proc/PID/task. */
#include "os/thread_list.h"

#include "base/descriptors.h"
#include "base/dirent64.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Ends at the first thread for which there is no room: a child has as many as it likes, and the
 * lock is held meanwhile. */
static long list(const char *path, long without, long *ids, size_t room)
{
    _Alignas(struct fc_dirent64) char entries[1024];
    size_t count = 0;
    long size = -1;
    fc_fds_lock();
    const int fd = fc_fd_above_streams(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    while (fd >= 0 && count <= room && (size = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
        for (long at = 0; at < size && count <= room;) {
            const struct fc_dirent64 *entry = (const struct fc_dirent64 *)(const void *)(entries + at);
            const long id = strtol(entry->name, NULL, 10);
            if (id > 0 && id != without && count++ < room)
                ids[count - 1] = id;
            at += entry->size;
        }
    if (fd >= 0)
        close(fd);
    fc_fds_unlock();
    return size < 0 ? -1 : (long)count;
}

long fc_thread_list(long *ids, size_t room)
{
    return list("/proc/self/task", syscall(SYS_gettid), ids, room);
}

long fc_thread_list_of(long pid, long without, long *ids, size_t room)
{
    char path[40];
    (void)snprintf(path, sizeof path, "/proc/%ld/task", pid);
    return list(path, without, ids, room);
}
