/* ANY: Waits by poll(2), by select(2) or by a pause, whichever the system allows. */
#include "base/poll_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

/* How long to wait between two looks if no system call can watch. */
#define PAUSE_NS 1000000

/* Finds out which descriptors are closed, as poll(2) tells. select(2) only says EBADF. */
static int find_closed(struct pollfd *fds, nfds_t count)
{
    int found = 0;
    for (nfds_t i = 0; i < count; i++) {
        const bool is_closed = fds[i].fd >= 0 && fcntl(fds[i].fd, F_GETFD) < 0 && errno == EBADF;
        fds[i].revents = is_closed ? POLLNVAL : 0;
        found += is_closed;
    }
    return found > 0 ? found : -1;
}

/* In musl these are macros that divide a descriptor by an unsigned number. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
static bool is_in(int fd, const fd_set *set)
{
    return FD_ISSET(fd, set);
}

static void put_into(int fd, fd_set *set)
{
    FD_SET(fd, set);
}
#pragma GCC diagnostic pop

static int read_sets(struct pollfd *fds, nfds_t count, const fd_set *readable, const fd_set *writable)
{
    int found = 0;
    for (nfds_t i = 0; i < count; i++) {
        const int fd = fds[i].fd;
        short events = 0;
        if (fd >= 0 && is_in(fd, readable))
            events |= POLLIN;
        if (fd >= 0 && is_in(fd, writable))
            events |= POLLOUT;
        fds[i].revents = (short)(events & fds[i].events); /* another entry may have the same fd */
        found += fds[i].revents != 0;
    }
    return found;
}

/* As poll(2), by select(2), which does not depend on RLIMIT_NOFILE. */
static int poll_by_select(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    fd_set readable;
    fd_set writable;
    struct timeval time = {.tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    int end = 0;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd >= FD_SETSIZE) {
            errno = EINVAL;
            return -1;
        }
        if (fds[i].fd < 0)
            continue;
        if ((fds[i].events & POLLIN) != 0)
            put_into(fds[i].fd, &readable);
        if ((fds[i].events & POLLOUT) != 0)
            put_into(fds[i].fd, &writable);
        end = fds[i].fd >= end ? fds[i].fd + 1 : end;
    }
    const int r = select(end, &readable, &writable, NULL, timeout_ms < 0 ? NULL : &time);
    if (r >= 0)
        return read_sets(fds, count, &readable, &writable);
    return errno == EBADF ? find_closed(fds, count) : -1;
}

static int poll_or_select(struct pollfd *fds, nfds_t count, int timeout_ms, bool *by_select)
{
    const int r = poll(fds, count, timeout_ms);
    *by_select = r < 0 && errno != EINTR;
    return *by_select ? poll_by_select(fds, count, timeout_ms) : r;
}

int fc_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    bool by_select;
    return poll_or_select(fds, count, timeout_ms, &by_select);
}

void fc_pause(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    if (nanosleep(&pause, NULL) < 0 && errno != EINTR)
        sched_yield();
}

void fc_poll_or_pause(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (fc_poll(fds, count, timeout_ms) < 0 && errno != EINTR)
        fc_pause();
}

/* True: nothing more comes from a readable descriptor, because the other ends are closed. select(2)
 * does not tell that. */
static bool is_at_end(int fd)
{
    char byte;
    int waiting = 0;
    const ssize_t n = recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    if (n >= 0 || errno != ENOTSOCK)
        return n == 0;
    return ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 0;
}

short fc_poll_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    bool by_select;
    int r;
    do
        r = poll_or_select(&p, 1, 0, &by_select);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return events;
    if (by_select && (p.revents & POLLIN) != 0 && is_at_end(fd))
        p.revents = (short)(p.revents | POLLHUP);
    return p.revents;
}

bool fc_poll_says(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int r;
    do
        r = fc_poll(&p, 1, 0);
    while (r < 0 && errno == EINTR);
    return r > 0;
}
