/* HOST: The host's side of SERVER: one server for this process, started when it is needed. */
#ifndef FC_SERVER_GET_SERVER_H
#define FC_SERVER_GET_SERVER_H

#include "base/time_limit.h"
#include "call/call.h"
#include "server/snapshot.h"

struct fc_server;

/* A server that serves, with a reference; started, if need be. 0; -ETIMEDOUT; -EINTR: canceled; or
 * another negative errno with why, a text that may be empty. */
int fc_server_get(const struct fc_time_limit *time_limit, struct fc_server **server, char *why, size_t why_size);
void fc_server_unref(struct fc_server *server);

/* It gets no new calls. */
void fc_server_retire(struct fc_server *server);

/* The same for one that answers nobody. It goes on for the calls that have a child of it; once
 * there are none it is killed. */
void fc_server_give_up(struct fc_server *server);

/* Sends an order without a socket, or keeps it until there is room. False: neither could be done,
 * for the server is gone, or there is no memory. It is retired then, and ends when its calls
 * have. */
struct fc_server_order;
bool fc_order_tell(struct fc_server *server, struct fc_server_order *order);

/* ---- A call's child -------------------------------------------------------------------------- */

/* Gives the call a child that waits for its request: call->server, process and fds. 0; -ETIMEDOUT;
 * -EINTR: canceled; or another negative errno with why, a text that may be empty. */
int fc_server_take(struct forkcall_call *call, char *why, size_t why_size);

/* Is what the server has what the calling thread has, which comes into now? */
enum fc_fit fc_server_fits(const struct forkcall_call *call, struct fc_credentials *now);
/* The call has no more to do with its child. kill_group: nor is anything that this has started to
 * go on. */
void fc_server_give_back(struct forkcall_call *call, bool kill_group);

#endif
