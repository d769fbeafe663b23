/* The host's dealings with the server about a call's child. */
#include "server.h"

#include "init.h"
#include "io.h"
#include "passed_fds.h"
#include "rights.h"
#include "server_start.h"
#include "server_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often a server that goes away under a call's hands is replaced by another. */
#define TRIES 3
/* How long a server may take to say how a child has ended that has. */
#define STATUS_NS 1000000000U
/* How long a server may take to make a child: it does little else. */
#define SPARE_NS FC_READY_NS
/* A server from which no call has got a child for so long, though some have waited, has stopped. */
#define SILENT_NS 5000000000U
/* Between two looks at the server's life and the descriptor that cancels. */
#define TURN_MS 20

static int send_order(struct fc_server *server, enum fc_server_order_kind kind, pid_t pid, bool kill_group, int socket)
{
    struct fc_server_order order;
    if (!fc_fds_has(&server->fds, FC_FD_HELLO)) /* the host has closed it, and it ends */
        return -EPIPE;
    memset(&order, 0, sizeof order); /* padding, too, goes to another process */
    order.kind = (uint32_t)kind;
    order.pid = (int32_t)pid;
    order.in_use = atomic_load(&server->in_use) + atomic_load(&server->waiting);
    order.kill_group = kill_group;
    return fc_rights_send(server->fds.fd[FC_FD_HELLO], &order, sizeof order, &socket, socket >= 0 ? 1 : 0);
}

/* Takes a handover that lies in the socket. 0; -EAGAIN: none does; another negative errno; or the positive one of the server, which
 * could make no child. */
static int take_handover(struct forkcall_call *call, int socket)
{
    struct fc_server_handover handover = {.pid = 0};
    int fds[FC_HANDOVER_FDS];
    size_t count;
    int *own = call->fds.fd;
    fc_fds_lock();
    int r = fc_rights_receive(socket, &handover, sizeof handover, fds, FC_HANDOVER_FDS, &count, 0);
    if (r == 0 && handover.error != 0)
        r = handover.error;
    if (r == 0 && count != 3U + handover.has_pidfd + handover.has_region)
        r = -EPROTO;
    if (r == 0) {
        own[FC_FD_GO] = fds[0];
        own[FC_FD_CHILD_GO] = fds[1];
        own[FC_FD_REPLY] = fds[2];
        const int process = handover.has_pidfd ? fds[3] : fc_fd_above_streams(fc_wait_open(handover.pid));
        own[FC_FD_PROCESS] = process < 0 ? -1 : process;
        own[FC_FD_REGION] = handover.has_region ? fds[count - 1] : -1;
    } else {
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
    }
    fc_fds_unlock();
    if (r < 0 && r != -EAGAIN && handover.pid > 0) /* its descriptors found no room here: it is lost */
        send_order(call->server, FC_ORDER_DONE, handover.pid, false, -1);
    if (r != 0)
        return r;
    if (atomic_load(&call->server->silent_since_ns) != 0)
        atomic_store(&call->server->silent_since_ns, 0);
    call->report.pid = handover.pid;
    call->process.pid = handover.pid;
    call->process.fd = own[FC_FD_PROCESS];
    call->awaits_ready = handover.is_copy;
    return 0;
}

/* Waits for something in a socket of the server's. 0; -ECONNRESET: it is gone; -ETIMEDOUT; -EINTR: canceled. */
static int await_server(const struct fc_server *server, int socket, const struct fc_patience *patience)
{
    const int r = fc_patience_left(patience);
    if (r < 0)
        return r;
    return !fc_server_await(server, socket, TURN_MS) && fc_server_is_dead(server) ? -ECONNRESET : 0;
}

static int await_handover(struct forkcall_call *call, const struct fc_patience *patience)
{
    const int socket = call->fds.fd[FC_FD_HELLO];
    int r = -EAGAIN;
    while (r == -EAGAIN) {
        r = take_handover(call, socket);
        if (r == -EAGAIN) {
            r = await_server(call->server, socket, patience);
            r = r == 0 ? -EAGAIN : r;
        }
    }
    return r > 0 ? -r : r;
}

/* A child that is made now, with the descriptors that the call passes. */
static int ask_for_spare(struct forkcall_call *call, const struct fc_passed_fd *list, size_t count,
                         const struct fc_patience *patience)
{
    int r = fc_rights_pair_in(&call->fds);
    if (r == 0)
        r = fc_passed_send(call->fds.fd[FC_FD_HELLO], list, count);
    if (r == 0)
        r = send_order(call->server, FC_ORDER_SPARE, 0, false, call->fds.fd[FC_FD_COPY]);
    fc_fds_close(&call->fds, FC_FD_COPY);
    if (r == -EPIPE || r == -EAGAIN) /* it takes no more messages */
        r = -ECONNRESET;
    if (r == 0)
        r = await_handover(call, patience);
    fc_fds_close(&call->fds, FC_FD_HELLO);
    return r;
}

/* It has died while it waited, or is about to, with its server: nobody has called anything yet. */
static bool spare_is_dead(const struct forkcall_call *call)
{
    const bool has_pidfd = call->process.fd >= 0;
    struct pollfd fds[] = {{.fd = has_pidfd ? call->process.fd : call->fds.fd[FC_FD_REPLY], .events = POLLIN},
                           {.fd = call->server->fds.fd[FC_FD_PROCESS], .events = POLLIN}};
    if (poll(fds, 2, 0) <= 0)
        return false;
    return fds[1].revents != 0 || (has_pidfd ? fds[0].revents != 0 : (fds[0].revents & POLLHUP) != 0);
}

static void drop_child(struct forkcall_call *call)
{
    static const enum fc_fd of_child[] = {FC_FD_GO, FC_FD_CHILD_GO, FC_FD_REPLY, FC_FD_PROCESS, FC_FD_REGION};
    for (size_t i = 0; i < sizeof of_child / sizeof *of_child; i++)
        fc_fds_close(&call->fds, of_child[i]);
    call->process.fd = -1;
}

/* One of those that lie in the socket or, once this call has said that it waits, come. All calls wait at the same socket: each
 * takes one, and for each that waits one is made. */
static int take_spare(struct forkcall_call *call, const struct fc_patience *patience)
{
    struct fc_server *server = call->server;
    const int control = server->fds.fd[FC_FD_HELLO];
    bool waits = false;
    bool replaced = false;
    int r = -EAGAIN;
    while (r == -EAGAIN) {
        r = take_handover(call, control);
        /* Not again and again: where every copy fails, the outcome of the call tells why. */
        if (r == 0 && !(replaced && call->awaits_ready) && spare_is_dead(call)) {
            replaced = true;
            send_order(server, FC_ORDER_DONE, call->process.pid, false, -1);
            drop_child(call);
            r = fc_server_is_dead(server) ? -ECONNRESET : -EAGAIN;
        } else if (r > 0) {
            r = waits ? -r : -EAGAIN; /* it was for another */
        } else if (r == -EAGAIN && !waits) {
            waits = true;
            atomic_fetch_add(&server->waiting, 1);
            if (send_order(server, FC_ORDER_SPARE, 0, false, -1) < 0)
                r = -ECONNRESET;
        } else if (r == -EAGAIN) {
            r = await_server(server, control, patience);
            r = r == 0 ? -EAGAIN : r;
        }
    }
    if (waits)
        atomic_fetch_sub(&server->waiting, 1);
    return r;
}

static int take_child(struct forkcall_call *call, const struct fc_patience *patience)
{
    struct fc_passed_fd *list;
    size_t count;
    int r = fc_passed_list(call, false, &list, &count);
    if (r < 0)
        return r;
    /* Only a child that is made for it has what such a call needs. */
    r = count == 0 ? take_spare(call, patience) : ask_for_spare(call, list, count, patience);
    free(list);
    return r;
}

/* A socket through which the server will tell how the child has ended. */
static int ask_for_status(const struct fc_process *process)
{
    int ends[2];
    fc_fds_lock();
    int r = fc_rights_pair(ends);
    if (r == 0) {
        r = send_order(process->server, FC_ORDER_STATUS, process->pid, false, ends[1]);
        close(ends[1]);
        if (r < 0)
            close(ends[0]);
    }
    fc_fds_unlock();
    return r < 0 ? r : ends[0];
}

/* Without a descriptor for the process: the server says when it has ended. */
static int watch(struct forkcall_call *call)
{
    const int fd = ask_for_status(&call->process);
    fc_fds_lock();
    call->fds.fd[FC_FD_PROCESS] = fd < 0 ? -1 : fd;
    fc_fds_unlock();
    call->process.fd = fd < 0 ? -1 : fd;
    call->process.fd_tells = fd >= 0;
    return fd < 0 ? fd : 0;
}

/* The child is the call's. -ECONNRESET: the server is gone, and was to tell of the child's end. */
static int adopt(struct forkcall_call *call)
{
    struct fc_server *server = call->server;
    int r = 0;
    atomic_fetch_add(&server->in_use, 1);
    call->process.remote = true;
    call->process.server = server;
    call->process.own_group = !call->options.share_group;
    if (call->process.fd < 0)
        r = watch(call);
    if (r == 0)
        return 0;
    atomic_fetch_sub(&server->in_use, 1);
    call->process.remote = false;
    call->process.server = NULL;
    send_order(server, FC_ORDER_DONE, call->process.pid, false, -1);
    return r == -EPIPE ? -ECONNRESET : r;
}

/* Calls that wait for less than the server may take must not keep one that was stopped for ever. */
static bool is_silent(struct fc_server *server)
{
    uint_fast64_t none = 0;
    const uint64_t now = fc_now_ns();
    if (atomic_compare_exchange_strong(&server->silent_since_ns, &none, now))
        return false;
    return now - none > SILENT_NS;
}

int fc_server_take(struct forkcall_call *call, char *why, size_t why_size)
{
    const uint64_t limit_ns = fc_now_ns() + SPARE_NS;
    const bool limited = limit_ns < call->deadline_ns;
    const struct fc_patience whole = {.deadline_ns = call->deadline_ns,
                                      .cancel_fd = call->options.cancel_fd_plus_one - 1};
    const struct fc_patience of_child = {.deadline_ns = limited ? limit_ns : call->deadline_ns,
                                         .cancel_fd = whole.cancel_fd};
    int r = -ECONNRESET;
    for (int i = 0; i < TRIES && r == -ECONNRESET; i++) {
        r = fc_server_get(&whole, &call->server, why, why_size);
        if (r < 0) {
            call->server = NULL;
            return r;
        }
        r = take_child(call, &of_child);
        if (r == 0)
            r = adopt(call);
        if (r == 0)
            break;
        drop_child(call);
        const bool silent = r == -ETIMEDOUT && (limited || is_silent(call->server));
        if (silent)
            fc_server_kill(call->server);
        if (r == -ECONNRESET || silent)
            fc_server_retire(call->server);
        fc_server_unref(call->server);
        call->server = NULL;
    }
    return r;
}

enum fc_fit fc_server_fits(const struct forkcall_call *call, struct fc_credentials *now)
{
    return fc_snapshot_fits(call->server->snapshot, now);
}

void fc_server_give_back(struct forkcall_call *call, bool kill_group)
{
    struct fc_server *server = call->server;
    call->server = NULL;
    call->process.server = NULL;
    atomic_fetch_sub(&server->in_use, 1);
    /* A server that takes no more messages has stopped: it is of no use, and its children go with it. */
    if (send_order(server, FC_ORDER_DONE, call->process.pid, kill_group, -1) < 0)
        fc_server_retire(server);
    drop_child(call);
    fc_server_unref(server);
}

/* ---- How a child has ended ----------------------------------------------------------------------------------- */

static bool receive_ending(const struct fc_process *process, int socket, struct fc_ending *ending)
{
    const uint64_t deadline_ns = fc_now_ns() + STATUS_NS;
    size_t count;
    int r = -EAGAIN;
    while (r == -EAGAIN && fc_now_ns() < deadline_ns) {
        r = fc_rights_receive(socket, ending, sizeof *ending, NULL, 0, &count, 0);
        if (r == -EAGAIN && !fc_server_await(process->server, socket, 100) && fc_server_is_dead(process->server))
            break;
    }
    return r == 0;
}

bool fc_server_ask(const struct fc_process *process, struct fc_ending *ending)
{
    if (process->fd_tells)
        return receive_ending(process, process->fd, ending);
    const int socket = ask_for_status(process);
    if (socket < 0)
        return false;
    const bool told = receive_ending(process, socket, ending);
    close(socket);
    return told;
}
