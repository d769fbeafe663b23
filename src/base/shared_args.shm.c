/* ANY: Arguments in POSIX shared memory, whose name is removed before anybody else can use it. */
#include "base/shared_args.h"

#include "base/io.h"
#include "base/rlimits.h"
#include "base/time_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIES 100

int fc_shared_args_open(void)
{
    static atomic_uint made;
    for (int i = 0; i < TRIES; i++) {
        char name[31]; /* PSHMNAMLEN of macOS */
        snprintf(name, sizeof name, "/fc-%lx-%x-%x", (long)getpid(), atomic_fetch_add(&made, 1),
                 (unsigned)(fc_now_ns() & 0xffffU));
        const int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0) {
            shm_unlink(name);
            /* shm_open(3) does this; repeated for systems that do not. */
            fcntl(fd, F_SETFD, FD_CLOEXEC);
            return fd;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

static int fill(int fd, const char *data, size_t size, const struct fc_time_limit *time_limit)
{
    int r = 0;
    if (ftruncate(fd, (off_t)size) < 0)
        return -errno;
    void *to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (to == MAP_FAILED)
        return -errno;
    for (size_t at = 0; r == 0 && at < size;) {
        const size_t piece = size - at < FC_ARGS_PIECE ? size - at : FC_ARGS_PIECE;
        memcpy((char *)to + at, data + at, piece);
        at += piece;
        r = at < size ? fc_time_limit_left(time_limit) : 0;
    }
    munmap(to, size);
    return r;
}

int fc_shared_args_fill(int fd, const void *data, size_t size, const struct fc_time_limit *time_limit)
{
    return fc_limits_allow_file(size) ? fill(fd, data, size, time_limit) : -EFBIG;
}

/* Copies the bytes into memory of the child's own. macOS can only map such a file MAP_SHARED (XNU,
 * bsd/kern/posix_shm.c, pshm_mmap). A shared mapping would not do, because others would see what
 * the function, or a process that it forks, writes there. */
const void *fc_shared_args_map(int fd, size_t size)
{
    void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED)
        return NULL;
    const void *file = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED) {
        munmap(copy, size);
        return NULL;
    }
    memcpy(copy, file, size);
    munmap((void *)(uintptr_t)file, size);
    return copy;
}
