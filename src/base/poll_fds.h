/* ANY: Waiting for descriptors, where the system or a sandbox may refuse it. Async-signal-safe, all
 * of it. */
#ifndef FC_BASE_POLL_FDS_H
#define FC_BASE_POLL_FDS_H

#include <poll.h>
#include <stdbool.h>

/* As poll(2). Where that is refused (RLIMIT_NOFILE below count, a seccomp filter) select(2) does
 * the same for descriptors below FD_SETSIZE, and a hang-up is then told as POLLIN. */
int fc_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

/* Waits until fc_poll would return, timeout_ms at most, or a shorter time where nothing can tell.
 * So that a loop that looks again after it never spins. fds may be NULL where count is 0. */
void fc_poll_or_pause(struct pollfd *fds, nfds_t count, int timeout_ms);

/* Waits a moment without any descriptor. For a loop that has found fc_poll refused. */
void fc_pause(void);

/* The parts of events that are true of fd now, an error and a hang-up, without waiting; all of
 * events where nothing can tell. Not for a descriptor of the host's. */
short fc_poll_now(int fd, short events);
/* Is one of the events, an error or a hang-up surely true of fd now? False where nothing can tell:
 * a failed look is no news that a process has ended, or that somebody cancels. */
bool fc_poll_says(int fd, short events);

#endif
