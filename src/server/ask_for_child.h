/* HOST: how a call comes to its child. */
#ifndef FC_SERVER_ASK_FOR_CHILD_H
#define FC_SERVER_ASK_FOR_CHILD_H

#include "call/call.h"
#include "server/launch.h"

/* Gives call->fds and call->process a child of call->server: a spare that lies ready, or one that
 * the server is asked for. 0; -ECONNRESET: the server is gone; -ETIMEDOUT; -EINTR: canceled; or
 * another negative errno with why, a text that may be empty. Whatever comes, the server knows in
 * the end whether the child that it has made for this call was taken. */
int fc_ask_for_child(struct forkcall_call *call, const struct fc_time_limit *time_limit, char *why, size_t why_size);

/* Closes what the call has of its child. */
void fc_ask_drop_child(struct forkcall_call *call);

/* Waits for an event of the socket, or 20 ms, or the server's end. */
void fc_ask_rest(const struct fc_server *server, int socket, short events);

#endif
