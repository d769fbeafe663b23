/* ANY: Waits for descriptors, even if the system or a sandbox refuses poll(2). All functions are
 * async-signal-safe. */
#ifndef FC_BASE_POLL_FDS_H
#define FC_BASE_POLL_FDS_H

#include <poll.h>
#include <stdbool.h>

/* As poll(2). If poll(2) is refused (RLIMIT_NOFILE below count, a seccomp filter), select(2) does
 * the same for descriptors below FD_SETSIZE; a hang-up is then reported as POLLIN. */
int fc_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

/* Waits until fc_poll would return, timeout_ms at most. Waits a short time if fc_poll is refused.
 * So a loop that looks again afterwards does not spin. fds may be NULL if count is 0. */
void fc_poll_or_pause(struct pollfd *fds, nfds_t count, int timeout_ms);

/* Waits a moment without any descriptor, in a loop that has found fc_poll refused. */
void fc_pause(void);

/* Which of the events, an error or a hang-up are true of fd now; all events if it cannot be found
 * out. Does not wait. Not for a descriptor of the host's, from which it may peek a byte. */
short fc_poll_now(int fd, short events);
/* True: one of the events, an error or a hang-up is surely true of fd now. False if it cannot be
 * found out: a failed look must not count as the end of a process, or as a cancel. */
bool fc_poll_says(int fd, short events);

#endif
