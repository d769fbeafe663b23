/* ANY: Memory shared with a child: a memfd, sealed. */
#include "base/shared_memory.h"

#include "base/memory_file.h"
#include "base/rlimits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int fc_shared_memory_open(size_t size)
{
    if (!fc_limits_allow_file(size))
        return -EFBIG;
    const int fd = fc_memory_file_open("forkcall-items", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return fd;
    if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        const int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}
