/* HOST: what it says to its server. An order is never lost while the server lives. */
#ifndef FC_SERVER_SEND_ORDER_H
#define FC_SERVER_SEND_ORDER_H

#include "server/launch.h"

/* An order of that kind, the rest 0. */
struct fc_server_order fc_order_make(enum fc_server_order_kind kind, pid_t pid);

/* Sends an order, with a socket (-1: none), never waiting. 0; -EAGAIN: there is no room in the
 * control socket now; -EPIPE: the server is gone; or another negative errno: the socket cannot be
 * sent. */
int fc_order_send(struct fc_server *server, struct fc_server_order *order, int socket);

/* Keeps an order without a socket until there is room for it: it is sent before the next. 0 or
 * -ENOMEM. */
int fc_order_keep(struct fc_server *server, const struct fc_server_order *order);

/* Nobody refers to the server any more: sends what was kept, if there is room, and frees it. */
void fc_orders_end(struct fc_server *server);

#endif
