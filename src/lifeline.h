/* The child dies with its caller, also when that is killed by SIGKILL. The caller's end of the pipe is closed by the kernel
 * with the process; not by the end of the thread that made the call, as PR_SET_PDEATHSIG would have it. */
#ifndef FC_LIFELINE_H
#define FC_LIFELINE_H

/* In the child: fd is the read end of a pipe of this call alone (the owner that is to be signalled belongs to the open file
 * description), from which nothing is to come any more. */
void fc_lifeline_arm(int fd);

#endif
