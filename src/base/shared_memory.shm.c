/* ANY: Memory shared with a child: POSIX shared memory without a name. */
#include "base/shared_memory.h"

#include "base/rlimits.h"
#include "base/shared_args.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Gives the file its size, and takes the memory for it at once where the system can: the file
 * system may have a limit of its own, and a touch beyond it is SIGBUS. macOS sizes such a file once
 * and for all, so that no child can make it smaller (XNU, bsd/kern/posix_shm.c). */
static int set_size(int fd, size_t size)
{
    if (ftruncate(fd, (off_t)size) < 0)
        return -errno;
#ifdef HAVE_POSIX_FALLOCATE
    return -posix_fallocate(fd, 0, (off_t)size);
#else
    return 0;
#endif
}

int fc_shared_memory_open(size_t size)
{
    if (!fc_limits_allow_file(size))
        return -EFBIG;
    const int fd = fc_shared_args_open();
    const int r = fd < 0 ? fd : set_size(fd, size);
    if (fd >= 0 && r < 0)
        close(fd);
    return r < 0 ? r : fd;
}
