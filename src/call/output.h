/* HOST: The captured streams of a call. */
#ifndef FC_CALL_OUTPUT_H
#define FC_CALL_OUTPUT_H

#include "call/call.h"

/* How often a pipe is read at most once the child is gone. In that many pieces fits what a pipe can
 * hold (1 MiB without privileges). Without a limit, a descendant that writes on and on would keep
 * the caller from its deadline. */
#define FC_READS_MAX 1024

/* Reads a piece of the output and calls the callback. After the deadline, or once the call is
 * canceled, the output stays in the pipe: a callback for each piece would delay the end of the
 * call. */
void fc_output_read(struct forkcall_call *call, enum fc_fd which);

/* Reads what a child that is gone has left in the pipe; after the deadline for one callback with
 * all of it. Does not wait for the end of the pipe, which descendants may hold open. */
void fc_output_rest(struct forkcall_call *call, enum fc_fd which);

#endif
