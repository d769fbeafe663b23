/* CHILD: A lifeline is a pipe whose end kills the child when the host dies, even by SIGKILL: the
 * kernel then closes the host's end of the go pipe. It is the death of the process that counts.
 * PR_SET_PDEATHSIG would kill the child when the thread that made the call ends. */
#ifndef FC_OS_LIFELINE_H
#define FC_OS_LIFELINE_H

#include <stdbool.h>
#include <sys/types.h>

/* In the host, before the fork: prepares the child's end of the go pipe. The pipe must be this
 * call's alone, because its owner, who gets the signal, belongs to the open file description.
 * False: the system cannot do it. */
bool fc_lifeline_prepare(int fd);

/* In the host, after the go byte was written: makes the child the owner. Before the go byte the
 * write itself would signal the child. If the system refuses, there is no lifeline. */
void fc_lifeline_set_owner(int fd, pid_t child);

/* In a server: opens for one child what will be the child's lifeline, which ends with the server.
 * fd: the reading end of a pipe to which nobody writes; the server alone holds the writing end.
 * Each child needs an open file description of its own, because the owner belongs to it. Returns
 * the descriptor; -EMFILE, -ENFILE or -ENOMEM; or -1: the system cannot do it, or there is no
 * /proc. */
int fc_lifeline_open(int fd);

/* In a child of a server: makes the child die with the server, whatever rights it gives up
 * (setuid(2) clears PR_SET_PDEATHSIG). fd: what fc_lifeline_open has returned in the server; it
 * must stay open. */
void fc_lifeline_own(int fd);

/* In the child, after it has taken the go byte: the lifeline works from now on, or this process
 * ends because the host is dead. prepared: what fc_lifeline_prepare returned. */
void fc_lifeline_await_owner(int fd, bool prepared);

#endif
