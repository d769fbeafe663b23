/* HOST: Linux: an eventfd is the wake-up, a timerfd the deadline, and epoll gathers them. */
#include "call/wakeup.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int own(struct fc_fds *fds, enum fc_fd which, int fd)
{
    const int r = fc_fd_above_streams(fd);
    fds->fd[which] = r < 0 ? -1 : r;
    return r < 0 ? r : 0;
}

int fc_wakeup_open(struct fc_fds *fds)
{
    fc_fds_lock();
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int r = own(fds, FC_FD_WAKE, fd < 0 ? -errno : fd);
    fc_fds_unlock();
    return r;
}

void fc_wakeup_wake(const struct fc_fds *fds)
{
    const uint64_t one = 1;
    ssize_t n;
    do
        n = write(fds->fd[FC_FD_WAKE], &one, sizeof one);
    while (n < 0 && errno == EINTR); /* EAGAIN: the counter is full, so the eventfd is readable */
}

void fc_wakeup_rearm(const struct fc_fds *fds, uint64_t deadline_ns)
{
    uint64_t wakes;
    /* Setting the timer also clears an expiry that was not read. 0 disarms it. */
    const uint64_t at_ns = deadline_ns == UINT64_MAX ? 0 : deadline_ns > 0 ? deadline_ns : 1;
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / 1000000000U), .tv_nsec = (long)(at_ns % 1000000000U)}};
    if (read(fds->fd[FC_FD_WAKE], &wakes, sizeof wakes) < 0 && errno != EAGAIN)
        return;
    if (fds->fd[FC_FD_TIMER] >= 0)
        timerfd_settime(fds->fd[FC_FD_TIMER], TFD_TIMER_ABSTIME, &when, NULL);
}

static int add(const struct fc_fds *fds, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (fd < 0 || epoll_ctl(fds->fd[FC_FD_LOOP], EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST)
        return 0;
    return errno == EPERM ? 0 : -errno; /* EPERM: a regular file, which is always readable */
}

int fc_wakeup_fd(struct fc_fds *fds, int extra)
{
    if (fds->fd[FC_FD_LOOP] >= 0)
        return fds->fd[FC_FD_LOOP];
    fc_fds_lock();
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    int r = own(fds, FC_FD_TIMER, fd < 0 ? -errno : fd);
    if (r == 0) {
        fd = epoll_create1(EPOLL_CLOEXEC);
        r = own(fds, FC_FD_LOOP, fd < 0 ? -errno : fd);
    }
    fc_fds_unlock();
    static const enum fc_fd watched[] = {FC_FD_REPLY, FC_FD_PROCESS, FC_FD_STATUS, FC_FD_OUT,
                                         FC_FD_ERR,   FC_FD_WAKE,    FC_FD_TIMER};
    for (size_t i = 0; r == 0 && i < sizeof watched / sizeof *watched; i++)
        r = add(fds, fds->fd[watched[i]]);
    if (r == 0)
        r = add(fds, extra);
    if (r == 0)
        return fds->fd[FC_FD_LOOP];
    fc_fds_close(fds, FC_FD_LOOP);
    fc_fds_close(fds, FC_FD_TIMER);
    return r;
}

void fc_wakeup_also(const struct fc_fds *fds, int fd)
{
    if (fds->fd[FC_FD_LOOP] >= 0)
        add(fds, fd);
}

void fc_wakeup_forget(const struct fc_fds *fds, int fd)
{
    if (fds->fd[FC_FD_LOOP] >= 0 && fd >= 0)
        epoll_ctl(fds->fd[FC_FD_LOOP], EPOLL_CTL_DEL, fd, NULL);
}
