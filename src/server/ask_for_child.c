/* HOST: Two ways to a child.
 *
 * A spare that lies in the control socket is taken without a message. If none lies there, the call
 * sends the order ASK with a socket of its own, at which nobody else waits. The server answers each
 * ASK once, so no answer can be another call's, and none is missed. A spare that comes meanwhile is
 * taken as well. In that case, and if the call gives up, the order DROP tells the server that the
 * ASK is void. docs/server-protocol.md describes the whole. */
#include "server/ask_for_child.h"

#include "base/fd_message.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "call/channel.h"
#include "server/early_module.h"
#include "server/get_server.h"
#include "server/send_order.h"
#include "wire/fd_list.h"
#include "wire/server_message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a call waits for a spare that is being made before it sends an ASK: the shortest time
 * that poll(2) knows. */
#define SPARE_MS 1
/* How long a call waits before it looks again at what wakes nobody: the life of a server that has
 * no pidfd, and the caller's time limit. */
#define TURN_MS 20

/* ---- Taking ---------------------------------------------------------------------------------- */

/* Enters the descriptors of a child. The caller holds fc_fds_lock. */
static void enter(struct forkcall_call *call, const struct fc_server_handover *handover, const int *fds, size_t count)
{
    int *own = call->fds.fd;
    own[FC_FD_GO] = fds[0];
    own[FC_FD_CHILD_GO] = fds[1];
    own[FC_FD_REPLY] = fds[2];
    const int process = handover->has_pidfd ? fds[3] : fc_fd_above_streams(fc_process_watch_open(handover->pid));
    own[FC_FD_PROCESS] = process < 0 ? -1 : process;
    own[FC_FD_REGION] = handover->has_region ? fds[count - 1] : -1;
    call->process.pid = handover->pid;
    call->process.fd = own[FC_FD_PROCESS];
    fc_call_await_ready(call, handover->execed, UINT64_MAX);
}

/* An answer or a spare has come. The caller holds fc_fds_lock. */
static void note_answer(struct fc_server *server)
{
    server->answers++;
    server->silent_ns = 0;
}

/* Takes a message with a child from one of the server's sockets. Sets *module to the number of the
 * module that a spare loads early.
 *
 * Returns 0; -EAGAIN: there is no message; -ECONNRESET: the other end is closed; a positive errno:
 * the server's answer that it could make no child; or another negative errno: the message is taken,
 * and its child is lost. */
static int take(struct forkcall_call *call, int socket, uint32_t *module)
{
    struct fc_server *server = call->process.server;
    struct fc_server_handover handover = {.pid = 0};
    int fds[FC_HANDOVER_FDS];
    size_t count;
    fc_fds_lock();
    int r = fc_fd_message_receive(socket, &handover, sizeof handover, fds, FC_HANDOVER_FDS, &count, 0);
    if (r != -EAGAIN && r != -ECONNRESET && socket == server->fds.fd[FC_FD_SOCKET])
        atomic_fetch_add(&server->taken, 1);
    if (r == 0 && handover.error > 0)
        r = handover.error;
    if (r == 0 && count != 3U + handover.has_pidfd + handover.has_region)
        r = -EPROTO;
    if (r == 0)
        enter(call, &handover, fds, count);
    else
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
    *module = handover.module;
    if (r != -EAGAIN && r != -ECONNRESET)
        note_answer(server);
    fc_fds_unlock();
    if (r < 0 && handover.pid > 0) { /* this process had no room for the child's descriptors */
        struct fc_server_order lost = fc_order_make(FC_ORDER_DONE, handover.pid);
        lost.kill_group = handover.module != 0;
        fc_order_send_or_keep(server, &lost);
    }
    return r;
}

void fc_ask_drop_child(struct forkcall_call *call)
{
    static const enum fc_fd of_child[] = {FC_FD_GO,      FC_FD_CHILD_GO, FC_FD_REPLY,
                                          FC_FD_PROCESS, FC_FD_STATUS,   FC_FD_REGION};
    for (size_t i = 0; i < sizeof of_child / sizeof *of_child; i++)
        fc_fds_close(&call->fds, of_child[i]);
    call->process.pid = 0;
    call->process.fd = -1;
}

/* The spare has died while it waited, or dies now with its server. Nobody has called the function
 * yet, so another child can take its place. */
static bool spare_is_dead(const struct forkcall_call *call)
{
    const bool has_pidfd = call->process.fd >= 0;
    struct pollfd fds[] = {{.fd = has_pidfd ? call->process.fd : call->fds.fd[FC_FD_REPLY], .events = POLLIN},
                           {.fd = call->process.server->fds.fd[FC_FD_PROCESS], .events = POLLIN}};
    if (fc_poll(fds, 2, 0) <= 0)
        return false;
    return fds[1].revents != 0 || (has_pidfd ? fds[0].revents != 0 : (fds[0].revents & POLLHUP) != 0);
}

/* Gives back a spare that the call has taken. kill_group: with what a constructor has started. */
static void give_back_spare(struct forkcall_call *call, bool kill_group)
{
    struct fc_server_order unused = fc_order_make(FC_ORDER_DONE, call->process.pid);
    unused.kill_group = kill_group;
    if (!fc_order_send_or_keep(call->process.server, &unused))
        fc_server_reap(call->process.server, unused.pid, false, &call->fds);
    fc_ask_drop_child(call);
}

/* Takes the first spare that lives and fits. An exec'ed spare is replaced once only: if every
 * re-executed program fails, the call gets one whose end tells why.
 *
 * Returns 0; -EAGAIN: there is no spare; -ECONNRESET: the server is gone; or another negative
 * errno. */
static int take_spare(struct forkcall_call *call)
{
    uint32_t module;
    for (bool replaced = false;; replaced = true) {
        const int r = take(call, call->process.server->fds.fd[FC_FD_SOCKET], &module);
        if (r != 0)
            return r > 0 ? -EPROTO : r; /* answers do not come through the control socket */
        if (((replaced && call->awaits_ready) || module != 0 || !spare_is_dead(call)) && fc_early_fits(call, module))
            return 0;
        give_back_spare(call, module != 0);
        if (call->drops_spares)
            return -EAGAIN;
    }
}

/* Waits a moment for a spare if the server knows that it has too few. If calls follow each other
 * this is faster than an ASK. If no spare comes, the call has lost no more than a moment. */
static int wait_for_spare(struct forkcall_call *call)
{
    struct fc_server *server = call->process.server;
    int r = -EAGAIN;
    if (atomic_load(&server->taken_sent) != atomic_load(&server->taken))
        return -EAGAIN;
    if (atomic_fetch_add(&server->waiting_for_spare, 1) < server->spares) {
        struct pollfd fds[] = {{.fd = server->fds.fd[FC_FD_SOCKET], .events = POLLIN},
                               {.fd = server->fds.fd[FC_FD_PROCESS], .events = POLLIN}};
        fc_poll_or_pause(fds, 2, SPARE_MS);
        r = take_spare(call);
    }
    atomic_fetch_sub(&server->waiting_for_spare, 1);
    return r;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

struct ask {
    struct forkcall_call *call;
    struct fc_server_order order;
    const struct fc_fd_list_item *list; /* what the child gets besides its channel */
    size_t count, sent;
    bool asked;    /* the order ASK was sent */
    bool answered; /* the server has answered, or is gone */
    bool has_child;
    bool unread; /* nobody will read what is left of the list */
};

/* Sends as much as the sockets have room for: the list, then the order ASK. 0 or a negative
 * errno. */
static int send_some(struct ask *ask)
{
    struct forkcall_call *call = ask->call;
    int r = 0;
    if (ask->sent < ask->count && !ask->unread)
        r = fc_fd_list_send_from(call->fds.fd[FC_FD_SOCKET], ask->list, ask->count, &ask->sent);
    if (r == -EPIPE) { /* the server has closed its end: it has answered, or is gone */
        ask->unread = true;
        return 0;
    }
    if (r < 0 && r != -EAGAIN)
        return r;
    if (ask->asked)
        return 0;
    r = fc_order_send(call->process.server, &ask->order, call->fds.fd[FC_FD_PEER_SOCKET]);
    if (r == -EAGAIN)
        return 0;
    if (r < 0)
        return r == -EPIPE ? -ECONNRESET : r;
    ask->asked = true;
    /* Only the server has that end now, so this process sees it being closed. */
    fc_fds_close(&call->fds, FC_FD_PEER_SOCKET);
    return 0;
}

/* Looks for an answer. 0: the call has a child; -EAGAIN: nothing has come yet; -ESTALE: the answer
 * was a child that does not fit; a positive errno: the server's answer; or another negative
 * errno. */
static int look_for_answer(struct ask *ask)
{
    struct forkcall_call *call = ask->call;
    uint32_t module = 0;
    int r = ask->asked ? take(call, call->fds.fd[FC_FD_SOCKET], &module) : -EAGAIN;
    if (r != -EAGAIN)
        ask->answered = true;
    if (r == 0 && module != 0 && !fc_early_fits(call, module)) {
        give_back_spare(call, true);
        return -ESTALE;
    }
    if (r == -ECONNRESET && !fc_server_is_dead(call->process.server))
        return EMFILE; /* the server had no descriptor left for the socket */
    if (r == -EAGAIN && ask->count == 0 && !call->drops_spares)
        r = take_spare(call);
    return r;
}

static void wait_for_event(const struct ask *ask)
{
    const struct fc_server *server = ask->call->process.server;
    struct pollfd fds[] = {
        {.fd = ask->call->fds.fd[FC_FD_SOCKET], .events = POLLIN},
        {.fd = server->fds.fd[FC_FD_SOCKET], .events = ask->count == 0 ? POLLIN : 0},
        {.fd = server->fds.fd[FC_FD_PROCESS], .events = POLLIN},
    };
    if (!ask->asked)
        fds[1].events |= POLLOUT;
    else if (ask->sent < ask->count)
        fds[0].events |= POLLOUT;
    fc_poll_or_pause(fds, 3, TURN_MS);
}

/* Waits for the answer, and sends the rest of the list. The child may have come before the socket
 * had room for all of its list. The rest is sent after the answer then. */
static int await_answer(struct ask *ask, const struct fc_time_limit *time_limit)
{
    for (;;) {
        int r = send_some(ask);
        if (r == 0 && !ask->has_child) {
            r = look_for_answer(ask);
            ask->has_child = r == 0;
        }
        if (r == 0 && ask->sent < ask->count && !ask->unread)
            r = -EAGAIN;
        if (r != -EAGAIN)
            return r;
        if (fc_server_is_dead(ask->call->process.server))
            return -ECONNRESET;
        r = fc_time_limit_left(time_limit);
        if (r < 0)
            return r;
        wait_for_event(ask);
    }
}

/* Counts that a call has waited in vain since since_ns. Only the time counts in which at least one
 * call waited and none got an answer: a server for which nobody waits is not silent. */
static void count_silence(struct fc_server *server, uint64_t since_ns, unsigned answers)
{
    fc_fds_lock();
    const uint64_t now = fc_now_ns();
    if (server->answers == answers) {
        const uint64_t from = since_ns > server->silent_until_ns ? since_ns : server->silent_until_ns;
        server->silent_ns += now > from ? now - from : 0;
        server->silent_until_ns = now;
    }
    fc_fds_unlock();
}

static unsigned count_answers(const struct fc_server *server)
{
    fc_fds_lock();
    const unsigned answers = server->answers;
    fc_fds_unlock();
    return answers;
}

/* Sends an ASK and waits for the answer. in_exchange: a spare that the call gives back with it; 0:
 * none. Returns 0; a positive errno: the server's answer; or a negative errno. */
static int ask(struct forkcall_call *call, const struct fc_fd_list_item *list, size_t count, pid_t in_exchange,
               const struct fc_time_limit *time_limit)
{
    struct ask ask = {.call = call, .order = fc_order_make(FC_ORDER_ASK, in_exchange), .list = list, .count = count};
    do
        ask.order.ask = atomic_fetch_add(&call->process.server->asks, 1) + 1;
    while (ask.order.ask == 0);
    ask.order.has_fds = count > 0;
    const uint64_t since_ns = fc_now_ns();
    const unsigned answers = count_answers(call->process.server);
    int r = fc_fd_message_pair_in(&call->fds);
    if (r == 0)
        r = await_answer(&ask, time_limit);
    if ((r == -ETIMEDOUT || r == -EINTR) && !ask.has_child)
        count_silence(call->process.server, since_ns, answers);
    fc_fds_close(&call->fds, FC_FD_PEER_SOCKET);
    fc_fds_close(&call->fds, FC_FD_SOCKET);
    struct fc_server_order end = fc_order_make(ask.asked ? FC_ORDER_DROP : FC_ORDER_DONE, in_exchange);
    end.ask = ask.order.ask;
    end.kill_group = true; /* nobody has called the function in it */
    if (ask.asked ? !ask.answered : in_exchange != 0)
        fc_order_send_or_keep(call->process.server, &end);
    if (r < 0 && ask.has_child) { /* it has not got all of its list */
        struct fc_server_order unused = fc_order_make(FC_ORDER_DONE, call->process.pid);
        fc_order_send_or_keep(call->process.server, &unused);
        fc_ask_drop_child(call);
    }
    return r;
}

/* ---- Both ways ------------------------------------------------------------------------------- */

static int refused(int error, char *why, size_t why_size)
{
    if (error == EAGAIN)
        snprintf(why, why_size, "%s", FC_NO_PROCESS);
    else if (error == ETOOMANYREFS)
        snprintf(why, why_size, "%s", FC_TOO_MANY_UNDER_WAY);
    else if (error == EMFILE || error == ENFILE)
        snprintf(why, why_size, "no descriptor left in the server for another child: %s", strerror(error));
    else
        snprintf(why, why_size, "making a child in the server: %s", strerror(error));
    return -error;
}

/* Gives back all spares that lie ready. A message is taken also if this process has no room for its
 * descriptors. */
static void drop_spares(struct fc_server *server)
{
    int fds[FC_HANDOVER_FDS];
    size_t count;
    for (;;) {
        struct fc_server_handover handover = {.pid = 0};
        fc_fds_lock();
        const int r = fc_fd_message_receive(server->fds.fd[FC_FD_SOCKET], &handover, sizeof handover, fds,
                                            FC_HANDOVER_FDS, &count, 0);
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
        const bool is_taken = r == 0 || handover.pid > 0;
        if (is_taken)
            atomic_fetch_add(&server->taken, 1);
        fc_fds_unlock();
        if (!is_taken)
            return;
        struct fc_server_order unused = fc_order_make(FC_ORDER_DONE, handover.pid);
        unused.kill_group = handover.module != 0;
        fc_order_send_or_keep(server, &unused);
    }
}

/* Gets a child. A call with a list cannot use a spare, because only a child made for it reads the
 * list. If the server has no room, a spare that has come meanwhile takes up the room: a call
 * without a list uses it, and another gives it back with its next ASK. */
static int get(struct forkcall_call *call, const struct fc_fd_list_item *list, size_t count,
               const struct fc_time_limit *time_limit, char *why, size_t why_size)
{
    const bool takes_spares = count == 0 && !call->drops_spares;
    bool dropped = false;
    pid_t in_exchange = 0;
    int r = takes_spares ? take_spare(call) : -EAGAIN;
    if (r == -EAGAIN && takes_spares && !call->drops_spares)
        r = wait_for_spare(call);
    if (r != -EAGAIN)
        return r;
    while ((r = ask(call, list, count, in_exchange, time_limit)) > 0 || r == -ESTALE) {
        const int error = r;
        in_exchange = 0;
        if (error == -ESTALE)
            continue;
        r = call->drops_spares && !dropped ? -EAGAIN : take_spare(call);
        if (r == -EAGAIN && call->drops_spares && !dropped) { /* these make room */
            drop_spares(call->process.server);
            dropped = true;
            continue;
        }
        if (r < 0)
            return r == -EAGAIN ? refused(error, why, why_size) : r;
        if (count == 0)
            return 0;
        in_exchange = call->process.pid;
        fc_ask_drop_child(call);
        if (fc_time_limit_left(time_limit) == 0)
            continue;
        struct fc_server_order unused = fc_order_make(FC_ORDER_DONE, in_exchange);
        unused.kill_group = true;
        fc_order_send_or_keep(call->process.server, &unused);
        return fc_time_limit_left(time_limit);
    }
    return r;
}

int fc_ask_for_child(struct forkcall_call *call, const struct fc_module_function *function,
                     const struct fc_time_limit *time_limit, char *why, size_t why_size)
{
    struct fc_fd_list_item *list;
    size_t count;
    int r = fc_channel_list_fds(call, false, &list, &count);
    if (r < 0)
        return r;
    fc_early_note(call, count == 0 ? function : NULL);
    r = get(call, list, count, time_limit, why, why_size);
    if (call->drops_spares)
        drop_spares(call->process.server);
    free(list);
    return r;
}

void fc_ask_rest(const struct fc_server *server, int socket, short events)
{
    struct pollfd fds[] = {{.fd = socket, .events = events}, {.fd = server->fds.fd[FC_FD_PROCESS], .events = POLLIN}};
    fc_poll_or_pause(fds, 2, TURN_MS);
}
