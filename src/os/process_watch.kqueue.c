/* HOST, SERVER: macOS and BSD: A kqueue with the child's NOTE_EXIT is readable when the child has
 * ended, whoever reaps it. Sources: kqueue(2) of macOS (NOTE_EXITSTATUS) and of FreeBSD (the data
 * of NOTE_EXIT is the wait status). */
#include "os/process.h"

#include <errno.h>
#include <stddef.h>
#include <sys/event.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef NOTE_EXITSTATUS
#define NOTE_EXITSTATUS 0
#endif

int fc_process_watch_open(pid_t pid)
{
    const int queue = kqueue();
    if (queue < 0)
        return -errno;
    struct kevent change;
    EV_SET(&change, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT | NOTE_EXITSTATUS, 0, NULL);
    if (kevent(queue, &change, 1, NULL, 0, NULL) == 0)
        return queue;
    const int error = errno;
    close(queue);
    return -error;
}

bool fc_process_watch_has_ended(const struct fc_process *process, struct fc_ending *ending)
{
    const struct timespec now = {0, 0};
    struct kevent event;
    if (!fc_waitpid_has_ended(process, ending))
        return false;
    /* Another part of the host has reaped the child. The queue still holds what the kernel put
     * there when the child ended. */
    if (!ending->status_known && kevent(process->fd, NULL, 0, &event, 1, &now) == 1 &&
        (event.fflags & NOTE_EXIT) != 0 && (event.fflags & NOTE_EXITSTATUS) == NOTE_EXITSTATUS) {
        ending->status_known = true;
        ending->wait_status = (int)event.data;
    }
    return true;
}
