/* HOST: Sends orders, and keeps those that find no room. */
#include "server/send_order.h"

#include "base/fd_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An order for which the control socket had no room, because hundreds lie in it already. */
struct fc_owed {
    struct fc_owed *next;
    struct fc_server_order order;
};

struct fc_server_order fc_order_make(enum fc_server_order_kind kind, pid_t pid)
{
    struct fc_server_order order;
    memset(&order, 0, sizeof order); /* the padding is sent to another process, too */
    order.kind = (uint32_t)kind;
    order.pid = (int32_t)pid;
    return order;
}

static int send(struct fc_server *server, struct fc_server_order *order, int socket)
{
    if (!fc_fds_has(&server->fds, FC_FD_SOCKET)) /* the host has closed it, so the server ends */
        return -EPIPE;
    order->taken = atomic_load(&server->taken);
    const int r = fc_fd_message_send(server->fds.fd[FC_FD_SOCKET], order, sizeof *order, &socket, socket >= 0 ? 1 : 0);
    if (r == 0)
        atomic_store(&server->taken_sent, order->taken);
    return r == -ENOBUFS || r == -ENOMEM ? -EAGAIN : r;
}

/* Sends the kept orders, the oldest first. 0; or a negative errno: the others stay kept. The caller
 * holds fc_fds_lock, and frees *sent when it does not hold the lock any more: a thread that forks
 * may hold the lock of the heap and wait for this one. */
static int send_owed(struct fc_server *server, struct fc_owed **sent)
{
    struct fc_owed **end = sent;
    int r = 0;
    *sent = atomic_load(&server->owed);
    while (*end != NULL && (r = send(server, &(*end)->order, -1)) == 0)
        end = &(*end)->next;
    atomic_store(&server->owed, *end);
    *end = NULL;
    return r;
}

static void free_all(struct fc_owed *owed)
{
    while (owed != NULL) {
        struct fc_owed *next = owed->next;
        free(owed);
        owed = next;
    }
}

int fc_order_send(struct fc_server *server, struct fc_server_order *order, int socket)
{
    int r = 0;
    if (atomic_load(&server->owed) != NULL) {
        struct fc_owed *sent;
        fc_fds_lock();
        r = send_owed(server, &sent);
        fc_fds_unlock();
        free_all(sent);
    }
    return r == 0 ? send(server, order, socket) : r;
}

int fc_order_keep(struct fc_server *server, const struct fc_server_order *order)
{
    struct fc_owed *owed = malloc(sizeof *owed);
    if (owed == NULL)
        return -ENOMEM;
    owed->order = *order;
    owed->next = NULL;
    fc_fds_lock();
    struct fc_owed *last = atomic_load(&server->owed);
    while (last != NULL && last->next != NULL)
        last = last->next;
    if (last != NULL)
        last->next = owed;
    else
        atomic_store(&server->owed, owed);
    fc_fds_unlock();
    return 0;
}

void fc_orders_end(struct fc_server *server)
{
    struct fc_owed *sent = NULL;
    fc_fds_lock();
    if (server->owner == fc_fds_generation())
        send_owed(server, &sent);
    struct fc_owed *owed = atomic_load(&server->owed);
    atomic_store(&server->owed, NULL);
    fc_fds_unlock();
    free_all(sent);
    free_all(owed);
}
