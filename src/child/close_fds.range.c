/* CHILD: Closes by close_range(2) (Linux 5.9, FreeBSD 12.2). Under an older Linux or a sandbox that
 * forbids it, closes what /proc lists. */
#include "child/close_fds.h"

#include "base/dirent64.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int close_range_(unsigned first, unsigned last)
{
#ifdef HAVE_CLOSE_RANGE
    return close_range(first, last, 0) < 0 ? -errno : 0;
#elif defined SYS_close_range
    return syscall(SYS_close_range, first, last, 0) < 0 ? -errno : 0;
#else
    return syscall(436, first, last, 0) < 0 ? -errno : 0;
#endif
}

#ifdef SYS_getdents64
static int number(const char *name)
{
    int n = 0;
    if (*name < '0' || *name > '9')
        return -1;
    while (*name >= '0' && *name <= '9')
        n = n * 10 + (*name++ - '0');
    return n;
}

/* Reads /proc/self/fd by getdents64(2), because opendir(3) would allocate memory. */
static int close_listed(const int *keep, size_t count)
{
    _Alignas(struct fc_dirent64) char entries[1024];
    const int list = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list < 0)
        return -errno;
    for (;;) {
        const long n = syscall(SYS_getdents64, list, entries, sizeof entries);
        if (n <= 0) {
            const int error = errno;
            close(list);
            return n < 0 ? -error : 0;
        }
        for (long at = 0; at < n;) {
            struct fc_dirent64 *e = (struct fc_dirent64 *)(void *)(entries + at);
            const int fd = number(e->name);
            if (fd > 2 && fd != list && !fc_close_fds_keeps(keep, count, fd))
                close(fd);
            at += e->size;
        }
    }
}
#else
static int close_listed(const int *keep, size_t count)
{
    (void)keep;
    (void)count;
    return -ENOSYS;
}
#endif

int fc_close_fds_except(const int *keep, size_t count)
{
    unsigned first = 3;
    for (size_t i = 0; i <= count; i++) {
        /* The number after the last one to close. */
        const unsigned end = i < count ? (unsigned)keep[i] : UINT_MAX;
        if (end > first) {
            const int r = close_range_(first, i < count ? end - 1 : UINT_MAX);
            if (r < 0)
                return close_listed(keep, count);
        }
        if (end >= first && i < count)
            first = end + 1;
    }
    return 0;
}
