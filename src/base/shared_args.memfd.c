/* ANY: Arguments in a memfd, which the host fills piece by piece and the child maps. */
#include "base/shared_args.h"

#include "base/memory_file.h"
#include "base/rlimits.h"
#include "base/time_limit.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int fill(int fd, const char *data, size_t size, const struct fc_time_limit *time_limit)
{
    int r = 0;
    while (r == 0 && size > 0) {
        const ssize_t n = write(fd, data, size < FC_ARGS_PIECE ? size : FC_ARGS_PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        size -= (size_t)n;
        r = size > 0 ? fc_time_limit_left(time_limit) : 0;
    }
    return r;
}

int fc_shared_args_open(void)
{
    return fc_memory_file_open("forkcall-args", MFD_CLOEXEC);
}

int fc_shared_args_fill(int fd, const void *data, size_t size, const struct fc_time_limit *time_limit)
{
    return fc_limits_allow_file(size) ? fill(fd, data, size, time_limit) : -EFBIG;
}

const void *fc_shared_args_map(int fd, size_t size)
{
    const void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    return data == MAP_FAILED ? NULL : data;
}
