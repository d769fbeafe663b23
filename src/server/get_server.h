/* HOST: The one server of this process. It is started when the first call by SERVER needs it. */
#ifndef FC_SERVER_GET_SERVER_H
#define FC_SERVER_GET_SERVER_H

#include "base/time_limit.h"

#include <stdbool.h>
#include <stddef.h>

struct fc_server;
struct fc_server_order;

/* Gets a reference to the server that serves, and starts a server first if there is none.
 *
 * Returns 0; -ETIMEDOUT; -EINTR if the caller cancels; or another negative errno with why, a text
 * that may be empty. Thread-safe. Give the reference back by fc_server_unref. */
int fc_server_get(const struct fc_time_limit *time_limit, struct fc_server **server, char *why, size_t why_size);

/* Drops a reference. The last one ends the server and frees what the host has of it.
 * Thread-safe. */
void fc_server_unref(struct fc_server *server);

/* New calls get another server from now on. Calls that have a child of this one keep it.
 * Thread-safe. */
void fc_server_retire(struct fc_server *server);

/* Retires a server that answers nobody. It is killed when the last call that has a child of it has
 * ended, because it may never see that its control socket was closed. Thread-safe. */
void fc_server_give_up(struct fc_server *server);

/* Sends an order that carries no socket, or keeps it until the control socket has room.
 *
 * Returns false if it can do neither, because the server is gone or there is no memory. The server
 * is retired in that case, and ends when its calls have ended. Thread-safe. */
bool fc_order_send_or_keep(struct fc_server *server, struct fc_server_order *order);

#endif
