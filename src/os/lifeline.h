/* CHILD: The child dies with its caller, also when that is killed by SIGKILL: the kernel then
 * closes the caller's end of the go pipe. That is the end of a process, not of the thread that made
 * the call, which PR_SET_PDEATHSIG would go by. */
#ifndef FC_OS_LIFELINE_H
#define FC_OS_LIFELINE_H

#include <stdbool.h>
#include <sys/types.h>

/* In the caller, before the fork, with the child's end of the go pipe, which is of this call alone
 * (the owner that is to be signalled belongs to the open file description). False: not to be had on
 * this system. */
bool fc_lifeline_prepare(int fd);

/* In the caller, after the go byte was written and never before: the write itself would signal the
 * child. */
void fc_lifeline_give(int fd, pid_t child);

/* In a child of a server, with its end of a pipe that it shares with the server's other children,
 * and that only the server writes to, which it never does: the child dies with the server, whatever
 * rights it has given up (setuid(2) clears PR_SET_PDEATHSIG). Closes fd. Returns a descriptor to be
 * left open; -1: not to be had on this system, or without /proc. */
int fc_lifeline_join(int fd);

/* In the child, after it has taken the go byte: it is held, or this process ends. prepared: what
 * fc_lifeline_prepare said. */
void fc_lifeline_hold(int fd, bool prepared);

#endif
