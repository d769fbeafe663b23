/* HOST: macOS and BSD: one kqueue is the wake-up and the deadline, and gathers the descriptors. A
 * kqueue can watch another one (kqueue(2)), so the one of the process is watched as any descriptor.
 * All events are level-triggered. */
#include "call/wakeup.h"

#include "base/io.h"

#include <errno.h>
#include <stddef.h>
#include <sys/event.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef NOTE_MACH_CONTINUOUS_TIME
#define NOTE_MACH_CONTINUOUS_TIME 0
#endif

enum ident { WAKE = 1, DEADLINE = 2 };

static int change(int queue, uintptr_t ident, short filter, unsigned short flags, unsigned notes, int64_t data)
{
    struct kevent event;
    EV_SET(&event, ident, filter, flags, notes, (intptr_t)data, NULL);
    return kevent(queue, &event, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

int fc_wakeup_open(struct fc_fds *fds)
{
    fc_fds_lock();
    const int queue = kqueue();
    const int fd = fc_fd_above_streams(queue < 0 ? -errno : queue);
    fds->fd[FC_FD_WAKE] = fd < 0 ? -1 : fd;
    fc_fds_unlock();
    return fd < 0 ? fd : change(fd, WAKE, EVFILT_USER, EV_ADD, 0, 0);
}

void fc_wakeup_wake(const struct fc_fds *fds)
{
    change(fds->fd[FC_FD_WAKE], WAKE, EVFILT_USER, 0, NOTE_TRIGGER, 0);
}

void fc_wakeup_rearm(const struct fc_fds *fds, uint64_t deadline_ns)
{
    const int queue = fds->fd[FC_FD_WAKE];
    /* Deleting and adding the events clears those that are pending. */
    change(queue, WAKE, EVFILT_USER, EV_DELETE, 0, 0);
    change(queue, WAKE, EVFILT_USER, EV_ADD, 0, 0);
    change(queue, DEADLINE, EVFILT_TIMER, EV_DELETE, 0, 0);
    if (deadline_ns == UINT64_MAX)
        return;
    const uint64_t now = fc_now_ns();
    const uint64_t ms = deadline_ns > now ? (deadline_ns - now + 999999U) / 1000000U : 0;
    /* CLOCK_MONOTONIC of macOS goes on while the machine sleeps. A timer does so only with
     * NOTE_MACH_CONTINUOUS_TIME. */
    change(queue, DEADLINE, EVFILT_TIMER, EV_ADD, NOTE_MACH_CONTINUOUS_TIME, (int64_t)ms);
}

int fc_wakeup_fd(struct fc_fds *fds, int extra)
{
    const int queue = fds->fd[FC_FD_WAKE];
    static const enum fc_fd watched[] = {FC_FD_REPLY, FC_FD_PROCESS, FC_FD_STATUS, FC_FD_OUT, FC_FD_ERR};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof watched / sizeof *watched; i++)
        if (fds->fd[watched[i]] >= 0)
            r = change(queue, (uintptr_t)fds->fd[watched[i]], EVFILT_READ, EV_ADD, 0, 0);
    if (r == 0 && extra >= 0)
        r = change(queue, (uintptr_t)extra, EVFILT_READ, EV_ADD, 0, 0);
    return r < 0 ? r : queue;
}

void fc_wakeup_also(const struct fc_fds *fds, int fd)
{
    if (fds->fd[FC_FD_WAKE] >= 0 && fd >= 0)
        change(fds->fd[FC_FD_WAKE], (uintptr_t)fd, EVFILT_READ, EV_ADD, 0, 0);
}

void fc_wakeup_forget(const struct fc_fds *fds, int fd)
{
    if (fds->fd[FC_FD_WAKE] >= 0 && fd >= 0)
        change(fds->fd[FC_FD_WAKE], (uintptr_t)fd, EVFILT_READ, EV_DELETE, 0, 0);
}
