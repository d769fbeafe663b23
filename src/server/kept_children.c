/* HOST: Keeps children between calls, and looks at each before it is used again. */
#include "server/kept_children.h"

#include "base/io.h"
#include "base/poll_fds.h"
#include "call/channel.h"
#include "server/send_order.h"
#include "wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A child looks at itself after its trailer, which takes microseconds. A call waits for the child
 * used last, for WAIT_MS at most, and not if the child had RECENT_NS already. After PATIENCE_NS the
 * child is ended. */
#define WAIT_MS 1
#define RECENT_NS 10000000U
#define PATIENCE_NS 1000000000U

struct fc_kept {
    struct fc_kept *next; /* used before this one */
    struct fc_fds fds;
    pid_t pid;
    bool fd_is_socket;
    uint32_t calls; /* how many it has served */
    uint64_t since_ns;
    /* What came behind the trailer of its last call. One byte more than it may be, so that more is
     * seen. */
    unsigned char said[sizeof(struct fc_frame_header) + 1];
    size_t said_size;
};

static const enum fc_fd of_child[] = {FC_FD_REPLY, FC_FD_GO, FC_FD_PROCESS, FC_FD_CHILD_GO, FC_FD_REGION};

/* Moves the descriptors of a child, with what is noted of them. The caller holds fc_fds_lock. */
static void move(struct fc_fds *to, struct fc_fds *from)
{
    for (size_t i = 0; i < sizeof of_child / sizeof *of_child; i++) {
        const enum fc_fd which = of_child[i];
        to->fd[which] = from->fd[which];
        to->mark[which] = from->mark[which];
        from->fd[which] = -1;
        from->mark[which] = (struct fc_fd_identity){.inode = 0};
    }
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* The child sees that nobody can send it a request any more, and ends. If it does not, the server
 * kills it a second later. */
static void end(struct fc_server *server, struct fc_kept *kept)
{
    struct fc_server_order done = fc_order_make(FC_ORDER_DONE, kept->pid);
    int r = fc_order_send(server, &done, -1);
    if (r == -EAGAIN)
        r = fc_order_keep(server, &done);
    if (r < 0) /* the server is gone, or is ended because nothing can be kept for it */
        fc_server_reap(server, kept->pid, kept->fd_is_socket, &kept->fds);
    fc_fds_close_all(&kept->fds);
    free(kept);
}

/* Takes the child that was not used for the longest time out of the list, which is not empty. The
 * caller holds fc_fds_lock. */
static struct fc_kept *take_last(struct fc_server *server)
{
    struct fc_kept **last = &server->kept;
    while ((*last)->next != NULL)
        last = &(*last)->next;
    struct fc_kept *kept = *last;
    *last = NULL;
    server->kept_count--;
    return kept;
}

static struct fc_kept *take_all(struct fc_server *server)
{
    fc_fds_lock();
    struct fc_kept *all = server->kept;
    server->kept = NULL;
    server->kept_count = 0;
    fc_fds_unlock();
    return all;
}

bool fc_kept_end_all(struct fc_server *server)
{
    struct fc_kept *all = take_all(server);
    const bool any = all != NULL;
    while (all != NULL) {
        struct fc_kept *kept = all;
        all = all->next;
        end(server, kept);
    }
    return any;
}

void fc_kept_forget(struct fc_server *server)
{
    struct fc_kept *all = take_all(server);
    while (all != NULL) {
        struct fc_kept *kept = all;
        all = all->next;
        fc_fds_forget(&kept->fds);
        free(kept);
    }
}

/* ---- Keeping --------------------------------------------------------------------------------- */

bool fc_kept_is_allowed(const struct forkcall_call *call)
{
    static const struct forkcall_limits none;
    const struct forkcall_options *o = &call->options;
    return o->reuse_child && !o->share_group && o->keep_fds_count == 0 && call->fds.fd[FC_FD_ARGS] < 0 &&
           call->task.shared.data == NULL && o->standard_input == FORKCALL_STREAM_INHERIT &&
           o->standard_output == FORKCALL_STREAM_INHERIT && o->standard_error == FORKCALL_STREAM_INHERIT &&
           memcmp(&o->limits, &none, sizeof none) == 0;
}

/* True: the function has returned, the child has lived to write its trailer, nothing was done to
 * end the call, and the host has all that it needs to use the child again. */
static bool can_be_kept(const struct forkcall_call *call)
{
    const struct fc_reply *reply = &call->reply;
    return call->task.keep && reply->done && reply->decoder.header.type == FC_FRAME_DONE &&
           reply->trailer.end == FC_END_RETURNED && reply->trailer.transport != FC_TRANSPORT_REGION &&
           call->cause == FC_CAUSE_NONE && reply->rest_size < sizeof reply->rest && call->fds.fd[FC_FD_REPLY] >= 0 &&
           call->fds.fd[FC_FD_GO] >= 0 && call->fds.fd[FC_FD_CHILD_GO] >= 0 && call->fds.fd[FC_FD_PROCESS] >= 0;
}

bool fc_kept_put(struct forkcall_call *call)
{
    struct fc_server *server = call->process.server;
    struct fc_kept *kept = can_be_kept(call) ? calloc(1, sizeof *kept) : NULL;
    if (kept == NULL || fc_fds_open(&kept->fds) < 0) {
        free(kept);
        return false;
    }
    kept->pid = call->process.pid;
    kept->fd_is_socket = call->process.fd_is_socket;
    kept->calls = call->task.frame_mark + 1;
    kept->since_ns = fc_now_ns();
    memcpy(kept->said, call->reply.rest, call->reply.rest_size);
    kept->said_size = call->reply.rest_size;
    struct fc_kept *oldest = NULL;
    fc_fds_lock();
    const bool serves = !server->retired;
    if (serves) {
        if (server->kept_count >= server->spares)
            oldest = take_last(server);
        move(&kept->fds, &call->fds);
        kept->fds.fresh = false; /* the host's code runs before the next look */
        kept->next = server->kept;
        server->kept = kept;
        server->kept_count++;
    }
    fc_fds_unlock();
    if (oldest != NULL)
        end(server, oldest);
    if (!serves) {
        fc_fds_close_all(&kept->fds);
        free(kept);
    }
    return serves;
}

/* ---- Using again ----------------------------------------------------------------------------- */

enum look { IS_FIT, IS_BUSY, IS_LOST };

/* A child that has said what it has to say, and nothing else, is fit. One that has said something
 * else is none that can be used. */
static enum look judge(const struct fc_kept *kept)
{
    struct fc_frame_header fit = fc_frame_header_make(FC_FRAME_FIT, 0);
    fit.magic = fc_frame_magic(kept->calls - 1); /* the mark of its last call */
    if (kept->said_size > sizeof fit || memcmp(kept->said, &fit, kept->said_size) != 0)
        return IS_LOST;
    return kept->said_size == sizeof fit ? IS_FIT : IS_BUSY;
}

/* Reads what the child says besides. */
static enum look hear(struct fc_kept *kept)
{
    const ssize_t n =
        fc_read(kept->fds.fd[FC_FD_REPLY], kept->said + kept->said_size, sizeof kept->said - kept->said_size);
    if (n > 0)
        kept->said_size += (size_t)n;
    return n > 0 || n == -EAGAIN ? judge(kept) : IS_LOST;
}

/* Looks whether the child lives and is fit. Waits wait_ms at most if it has not said so yet. */
static enum look look_at(const struct fc_server *server, struct fc_kept *kept, int wait_ms)
{
    struct pollfd fds[] = {{.fd = kept->fds.fd[FC_FD_REPLY], .events = POLLIN},
                           {.fd = kept->fds.fd[FC_FD_PROCESS], .events = POLLIN},
                           {.fd = server->fds.fd[FC_FD_PROCESS], .events = POLLIN}};
    const uint64_t age_ns = fc_now_ns() - kept->since_ns;
    if (fc_fds_look(&kept->fds)) /* the host has closed a descriptor of the child */
        return IS_LOST;
    const bool is_fit = judge(kept) == IS_FIT;
    const int r = fc_poll(fds, 3, is_fit || age_ns > RECENT_NS ? 0 : wait_ms);
    if (r > 0 && (fds[1].revents != 0 || fds[2].revents != 0))
        return IS_LOST;
    if (r > 0)
        return hear(kept);
    if (is_fit)
        return r == 0 ? IS_FIT : IS_LOST;
    return age_ns < PATIENCE_NS ? IS_BUSY : IS_LOST;
}

struct fc_kept *fc_kept_reserve(struct fc_server *server)
{
    fc_fds_lock();
    struct fc_kept *kept = server->kept;
    if (kept != NULL) {
        server->kept = kept->next;
        server->kept_count--;
    }
    fc_fds_unlock();
    return kept;
}

/* Puts the child behind all others; ends it if the server is retired, or has as many as it may. */
void fc_kept_put_back(struct fc_server *server, struct fc_kept *kept)
{
    fc_fds_lock();
    const bool serves = !server->retired && server->kept_count < server->spares;
    struct fc_kept **last = &server->kept;
    while (serves && *last != NULL)
        last = &(*last)->next;
    if (serves) {
        kept->fds.fresh = false;
        kept->next = NULL;
        *last = kept;
        server->kept_count++;
    }
    fc_fds_unlock();
    if (!serves)
        end(server, kept);
}

static void give(struct forkcall_call *call, struct fc_kept *kept)
{
    fc_fds_lock();
    move(&call->fds, &kept->fds);
    fc_fds_unlock();
    call->process.pid = kept->pid;
    call->process.fd = call->fds.fd[FC_FD_PROCESS];
    call->process.fd_is_socket = kept->fd_is_socket;
    fc_call_await_ready(call, false, UINT64_MAX);
    fc_channel_set_mark(call, kept->calls);
    fc_fds_close_all(&kept->fds); /* it is empty, and leaves the list */
    free(kept);
}

bool fc_kept_take(struct forkcall_call *call, struct fc_kept *reserved)
{
    struct fc_server *server = call->process.server;
    struct fc_kept *kept = reserved;
    /* A child that is busy goes behind the others, and each is looked at once. */
    for (unsigned i = 0; i < server->spares && kept != NULL; i++) {
        switch (look_at(server, kept, i == 0 ? WAIT_MS : 0)) {
        case IS_FIT:
            give(call, kept);
            return true;
        case IS_BUSY:
            fc_kept_put_back(server, kept);
            break;
        case IS_LOST:
            end(server, kept);
        }
        kept = i + 1 < server->spares ? fc_kept_reserve(server) : NULL;
    }
    return false;
}
