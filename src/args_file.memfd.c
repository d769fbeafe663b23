#include "args_file.h"

#include "rlimits.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int fill(int fd, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

int fc_args_file_make(const void *data, size_t size)
{
    if (!fc_limits_allow_file(size))
        return -EFBIG;
    const int fd = memfd_create("forkcall-args", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    const int r = fill(fd, data, size);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

const void *fc_args_file_map(int fd, size_t size)
{
    const void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    return data == MAP_FAILED ? NULL : data;
}
