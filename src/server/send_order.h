/* HOST: Sends orders to the server. An order is never lost while the server lives. */
#ifndef FC_SERVER_SEND_ORDER_H
#define FC_SERVER_SEND_ORDER_H

#include "server/launch.h"

/* An order of that kind whose other fields are 0. */
struct fc_server_order fc_order_make(enum fc_server_order_kind kind, pid_t pid);

/* Sends an order and a socket with it (-1: none), without waiting.
 *
 * Returns 0; -EAGAIN: the control socket has no room now; -EPIPE: the server is gone; or another
 * negative errno: the socket cannot be sent. Thread-safe. */
int fc_order_send(struct fc_server *server, struct fc_server_order *order, int socket);

/* Keeps an order that carries no socket. It is sent before the next order. 0 or -ENOMEM.
 * Thread-safe. */
int fc_order_keep(struct fc_server *server, const struct fc_server_order *order);

/* Sends the kept orders, as far as there is room, and frees them. Nobody may refer to the server
 * any more. */
void fc_orders_end(struct fc_server *server);

#endif
