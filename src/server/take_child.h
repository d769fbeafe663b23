/* HOST: A call takes a child from the server, and gives it back when it has ended. */
#ifndef FC_SERVER_TAKE_CHILD_H
#define FC_SERVER_TAKE_CHILD_H

#include "call/call.h"
#include "server/snapshot.h"
#include "wire/caller.h"

/* Gives the call a child that waits for its request: sets call->process and the ends of the channel
 * in call->fds. Compares what the server has inherited with what the calling thread has, and writes
 * the thread's credentials and settings of that moment to *now.
 *
 * Returns an enum fc_fit; -ETIMEDOUT; -EINTR if the caller cancels; or another negative errno with
 * why, a text that may be empty. */
int fc_server_take_child(struct forkcall_call *call, const struct fc_module_function *function, struct fc_caller *now,
                         char *why, size_t why_size);

/* Tells the server that the call does not need its child any more. kill_group: the server also
 * kills what the child has started. */
void fc_server_give_back_child(struct forkcall_call *call, bool kill_group);

#endif
