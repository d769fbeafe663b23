/* HOST: what it says to its server. An order is never lost while the server lives. */
#ifndef FC_SERVER_ORDERS_H
#define FC_SERVER_ORDERS_H

#include "server_start.h"

/* An order of that kind, the rest 0. */
struct fc_server_order fc_order_make(enum fc_server_order_kind kind, pid_t pid);

/* Sends an order, with a socket (-1: none), never waiting. 0; -EAGAIN: there is no room in the control socket now; -EPIPE: the
 * server is gone; or another negative errno: the socket cannot be sent. */
int fc_order_send(struct fc_server *server, struct fc_server_order *order, int socket);

/* Sends one without a socket, or keeps it until there is room. False: neither could be done, for the server is gone, or there is no
 * memory. It is retired then, and ends when its calls have. */
bool fc_order_tell(struct fc_server *server, struct fc_server_order *order);

/* Nobody refers to the server any more: sends what was kept, if there is room, and frees it. */
void fc_orders_end(struct fc_server *server);

#endif
