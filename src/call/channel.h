/* HOST: The channel between a host and a child: a pipe for the reply, one for the request and the
 * start byte, one for each captured stream, and the region. */
#ifndef FC_CALL_CHANNEL_H
#define FC_CALL_CHANNEL_H

#include "call/call.h"
#include "module/lookup.h"
#include "wire/fd_list.h"

/* Opens both ends of all that the call needs, in call->fds. 0 or a negative errno. */
int fc_channel_open(struct forkcall_call *call);

/* Opens only the pipes of captured streams. 0 or a negative errno. */
int fc_channel_open_streams(struct forkcall_call *call);

/* Makes a file of arguments that are too large for the pipe, for a child that is not a fork. False:
 * the call has ended, and its report says why. */
bool fc_channel_open_args(struct forkcall_call *call);

/* Tells the child to begin, and closes its ends. A child that cannot be told is killed. */
void fc_channel_start_child(struct forkcall_call *call);

/* The same for a child that is not a fork, which also learns which call it runs. */
void fc_channel_send_request(struct forkcall_call *call, const struct fc_module_function *name);

/* The child has served that many calls, and sends its frames with that mark. */
void fc_channel_set_mark(struct forkcall_call *call, uint32_t mark);

/* Whether the child may wait for another request after this call, if its memory has grown by
 * may_grow bytes at most. */
void fc_channel_set_keep(struct forkcall_call *call, bool keep, uint64_t may_grow);

/* Lists the descriptors that a child which is not a fork gets: keep_fds, captured streams,
 * arguments; with_channel: its ends of the pipes and the region. The caller frees the list. 0 or
 * -ENOMEM. */
int fc_channel_list_fds(const struct forkcall_call *call, bool with_channel, struct fc_fd_list_item **list,
                        size_t *count);

#endif
