/* A library for LD_PRELOAD that imposes on Linux what XNU does with POSIX shared memory.
 *
 * 1. shm_open(2) makes an object that can only be mapped with MAP_SHARED: EINVAL otherwise.
 *    XNU: bsd/kern/posix_shm.c, pshm_mmap.
 * 2. The name of an object has at most 31 bytes (PSHMNAMLEN): ENAMETOOLONG otherwise (shm_open(2)
 *    of macOS).
 *
 * SPDX-License-Identifier: MIT */
/* With _FILE_OFFSET_BITS, <sys/mman.h> would rename mmap to mmap64. This module replaces both. */
#undef _FILE_OFFSET_BITS

#include "preload.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NAME_MAX_OF_MACOS 31

/* True: the descriptor is shared memory, which glibc keeps as files in /dev/shm
 * (shm_overview(7)). */
static bool is_shared_memory(int fd)
{
    static const char directory[] = "/dev/shm/";
    char link[64], target[sizeof directory];
    if (fd < 0)
        return false;
    const int error = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(link, target, sizeof target);
    errno = error;
    return size == (ssize_t)sizeof target && memcmp(target, directory, sizeof directory - 1) == 0;
}

static next_address next_mmap, next_mmap64, next_shm_open;

__attribute__((constructor)) static void find_next(void)
{
    (void)NEXT(mmap);
    (void)NEXT(mmap64);
    (void)NEXT(shm_open);
}

static bool is_refused(int flags, int fd)
{
    if ((flags & MAP_SHARED) != 0 || !is_shared_memory(fd))
        return false;
    errno = EINVAL;
    return true;
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return is_refused(flags, fd) ? MAP_FAILED : NEXT(mmap)(address, size, protection, flags, fd, offset);
}

/* Called by programs that are built with 64-bit offsets. */
void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset)
{
    return is_refused(flags, fd) ? MAP_FAILED : NEXT(mmap64)(address, size, protection, flags, fd, offset);
}

int shm_open(const char *name, int flags, mode_t mode)
{
    if (strlen(name) > NAME_MAX_OF_MACOS) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return NEXT(shm_open)(name, flags, mode);
}
