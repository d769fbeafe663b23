/* HOST: Gets a call its child: a spare that lies ready, or one that the server is asked for. */
#ifndef FC_SERVER_ASK_FOR_CHILD_H
#define FC_SERVER_ASK_FOR_CHILD_H

#include "call/call.h"
#include "server/launch.h"

/* Gives call->fds and call->process a child of call->process.server.
 *
 * Returns 0; -ECONNRESET: the server is gone; -ETIMEDOUT; -EINTR if the caller cancels; or another
 * negative errno with why, a text that may be empty. Whatever it returns, the server learns whether
 * the child that it has made for this call was taken. */
int fc_ask_for_child(struct forkcall_call *call, const struct fc_module_function *function,
                     const struct fc_time_limit *time_limit, char *why, size_t why_size);

/* Closes the call's descriptors of its child. */
void fc_ask_drop_child(struct forkcall_call *call);

/* Waits for an event of the socket, or the server's end, 20 ms at most. */
void fc_ask_rest(const struct fc_server *server, int socket, short events);

#endif
