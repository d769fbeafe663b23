/* ANY: Linux: Lists /proc/self/task. */
#include "os/thread_list.h"

#include "base/descriptors.h"
#include "base/dirent64.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

long fc_thread_list(long *ids, size_t room)
{
    _Alignas(struct fc_dirent64) char entries[1024];
    const long self = syscall(SYS_gettid);
    long count = 0, size;
    fc_fds_lock();
    const int fd = fc_fd_above_streams(open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    while ((size = fd < 0 ? -1 : syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
        for (long at = 0; at < size;) {
            const struct fc_dirent64 *entry = (const struct fc_dirent64 *)(const void *)(entries + at);
            const long id = strtol(entry->name, NULL, 10);
            if (id > 0 && id != self && (size_t)count++ < room)
                ids[count - 1] = id;
            at += entry->size;
        }
    if (fd >= 0)
        close(fd);
    fc_fds_unlock();
    return size < 0 ? -1 : count;
}
