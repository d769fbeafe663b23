/* ANY: Reads and writes, continuing after EINTR, and the clock. */
#include "base/io.h"

#include "config.h"

#include <errno.h>
#ifdef HAVE_RAW_SYSCALLS
#include <sys/syscall.h>
#else
#include <sched.h>
#endif
#include <time.h>
#include <unistd.h>

ssize_t fc_read(int fd, void *data, size_t size)
{
    ssize_t n;
    do
        n = read(fd, data, size);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Writes by the system call itself: sanitizers check what write(2) is given, and consider the stack
 * that a crashed child writes poisoned. */
static ssize_t write_part(int fd, const struct iovec *part)
{
#ifdef HAVE_RAW_SYSCALLS
    return syscall(SYS_write, fd, part->iov_base, part->iov_len);
#else
    return write(fd, part->iov_base, part->iov_len);
#endif
}

/* By the system call itself: the C library has its function on a page of its own, which a forked
 * child would have to map first. */
void fc_yield(void)
{
#ifdef HAVE_RAW_SYSCALLS
    syscall(SYS_sched_yield);
#else
    sched_yield();
#endif
}

void fc_iovec_advance(struct iovec **parts, int *count, size_t written)
{
    while (*count > 0 && written >= (*parts)->iov_len) {
        written -= (*parts)->iov_len;
        ++*parts;
        --*count;
    }
    if (*count > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + written;
        (*parts)->iov_len -= written;
    }
}

struct iovec fc_part(const void *data, size_t size)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
}

int fc_write_all(int fd, struct iovec *parts, int count)
{
    while (count > 0) {
        const ssize_t n = parts->iov_len > 0 ? write_part(fd, parts) : 0;
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        fc_iovec_advance(&parts, &count, (size_t)n);
    }
    return 0;
}

uint64_t fc_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}
