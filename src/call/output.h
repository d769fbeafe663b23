/* HOST: the captured streams of a call. */
#ifndef FC_CALL_OUTPUT_H
#define FC_CALL_OUTPUT_H

#include "call/call.h"

/* How often a pipe is read at most where its end is not waited for: what it can hold (1 MiB for the
 * unprivileged), and no more, because a child or a descendant that writes on and on must not keep
 * the caller from a deadline. */
#define FC_READS_MAX 1024

/* Reads a piece of what poll has seen. After the deadline, or when the call is to be cancelled, it
 * stays where it is: else a callback for each piece would keep the call from its end. */
void fc_output_read(struct forkcall_call *call, enum fc_fd which);

/* The child is gone: reads what it has left in the pipe. After the deadline that makes one
 * callback. Never waits for the pipe's end, which others may hold back. */
void fc_output_rest(struct forkcall_call *call, enum fc_fd which);

#endif
