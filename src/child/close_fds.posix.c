/* CHILD: For systems that do not tell which descriptors are open. Tries each number, and refuses if
 * the limit is so high that this would take minutes. */
#include "child/close_fds.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#define TRY_MAX 65536U

int fc_close_fds_except(const int *keep, size_t count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    if (limit.rlim_cur > TRY_MAX)
        return -ENOTSUP;
    size_t kept = 0;
    for (int fd = 3; fd < (int)limit.rlim_cur; fd++) {
        while (kept < count && keep[kept] < fd)
            kept++;
        if (kept == count || keep[kept] != fd)
            close(fd);
    }
    return 0;
}
