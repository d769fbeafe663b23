/* HOST: The channel between a caller and its child: a pipe for the reply, one for the request and
 * the go byte, one for each captured stream, and the region. */
#ifndef FC_CALL_CHANNEL_H
#define FC_CALL_CHANNEL_H

#include "call/call.h"
#include "module/lookup.h"
#include "wire/fd_list.h"

/* Both ends of all that the call needs, in call->fds. 0 or a negative errno. */
int fc_channel_open(struct forkcall_call *call);

/* Only the pipes of captured streams. */
int fc_channel_open_streams(struct forkcall_call *call);

/* For a child that is no fork: makes a file of arguments that are too large for the pipe. False:
 * the call has ended, and says why. */
bool fc_channel_open_args(struct forkcall_call *call);

/* Lets the child, which cannot have ended yet but by somebody else's signal, run the function, and
 * closes its ends. */
void fc_channel_let_go(struct forkcall_call *call);

/* The same, for a child that is no fork: says which call it is to run, too. The child may have
 * ended already. */
void fc_channel_send_request(struct forkcall_call *call, const struct fc_module_function *name);

/* All that a call's child is to have: keep_fds, captured streams, arguments; with_channel: its ends
 * of the pipes and the region. The list is to be freed. 0 or -ENOMEM. */
int fc_channel_list_fds(const struct forkcall_call *call, bool with_channel, struct fc_fd_list_item **list,
                        size_t *count);

#endif
