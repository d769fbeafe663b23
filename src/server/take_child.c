/* HOST: A call takes a child from the server, and gives it back when it has ended. */
#include "server/take_child.h"

#include "base/fd_message.h"
#include "base/io.h"
#include "call/channel.h"
#include "exec/exec_self.h"
#include "os/process_look.h"
#include "server/ask_for_child.h"
#include "server/get_server.h"
#include "server/kept_children.h"
#include "server/launch.h"
#include "server/send_order.h"
#include "wire/server_message.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* How many servers a call tries, if each ends before it has given the call a child. */
#define TRIES 3
/* How long a server may take to make a child. It does little else. */
#define CHILD_NS FC_READY_NS
/* A server is given up if calls have waited for it in vain for this long in all since its last
 * answer. */
#define SILENT_NS 5000000000U

/* ---- How a child has ended ------------------------------------------------------------------- */

static int ask_ending(const struct fc_process *process, struct fc_fds *fds, enum fc_fd answer)
{
    struct fc_server_order order = fc_order_make(FC_ORDER_STATUS, process->pid);
    int r = fc_fd_message_pair_in(fds);
    if (r < 0)
        return r;
    r = fc_order_send(process->server, &order, fds->fd[FC_FD_PEER_SOCKET]);
    fc_fds_close(fds, FC_FD_PEER_SOCKET);
    if (r < 0) {
        fc_fds_close(fds, FC_FD_SOCKET);
        return r;
    }
    fc_fds_lock();
    fds->fd[answer] = fds->fd[FC_FD_SOCKET];
    fds->fd[FC_FD_SOCKET] = -1;
    fc_fds_unlock();
    fc_fds_remember(fds, answer, (enum fc_fd)(answer + 1));
    return 0;
}

static int receive_ending(int fd, struct fc_ending *ending)
{
    size_t count;
    const int r = fc_fd_message_receive(fd, ending, sizeof *ending, NULL, 0, &count, 0);
    return r == 0 ? 1 : r == -EAGAIN ? 0 : -1;
}

static bool is_stopped(const struct fc_server *server)
{
    const char state = fc_process_look_at_thread(server->pid, server->pid, SIGSTOP).state;
    return state == 'T' || state == 't';
}

static const struct fc_remote of_server = {
    .is_gone = fc_server_is_dead, .is_stopped = is_stopped, .ask_ending = ask_ending, .receive_ending = receive_ending};

/* ---- Taking a child -------------------------------------------------------------------------- */

/* Asks the server to tell the end of a child of which the host has no pidfd. */
static int watch(struct forkcall_call *call, const struct fc_time_limit *time_limit)
{
    for (;;) {
        int r = ask_ending(&call->process, &call->fds, FC_FD_PROCESS);
        call->process.fd = call->fds.fd[FC_FD_PROCESS];
        call->process.fd_is_socket = r == 0;
        if (r != -EAGAIN)
            return r;
        fc_ask_rest(call->process.server, call->process.server->fds.fd[FC_FD_SOCKET], POLLOUT);
        r = fc_time_limit_left(time_limit);
        if (r < 0)
            return r;
    }
}

/* Makes the child the call's. -ECONNRESET: the server, which would tell of the child's end, is
 * gone. */
static int adopt(struct forkcall_call *call, const struct fc_time_limit *time_limit)
{
    int r = 0;
    call->process.remote = &of_server;
    call->process.own_group = !call->options.share_group;
    if (call->process.fd < 0)
        r = watch(call, time_limit);
    if (r == 0)
        return 0;
    struct fc_server_order unused = fc_order_make(FC_ORDER_DONE, call->process.pid);
    unused.kill_group = true; /* nobody has called the function in it */
    call->process.remote = NULL;
    fc_order_send_or_keep(call->process.server, &unused);
    fc_ask_drop_child(call);
    return r == -EPIPE ? -ECONNRESET : r;
}

/* Takes what the child is to have of the calling thread at one moment, after all waiting for the
 * server: rights and settings of two moments may contradict each other. */
static enum fc_fit compare(const struct forkcall_call *call, struct fc_caller *now)
{
    const struct fc_server *server = call->process.server;
    enum fc_fit fit = FC_FITS;
    if (server->fixed_identity)
        now->credentials = *fc_snapshot_credentials(server->snapshot);
    else
        fit = fc_snapshot_fits(server->snapshot, call->owner, &now->credentials);
    fc_settings_take(&now->settings);
    return fit;
}

/* Gives the call a kept child, if it allows that, there is one, and the server fits. The comparison
 * comes before the look at the child, which looks at itself meanwhile if it has just served another
 * call. */
static bool take_kept(struct forkcall_call *call, struct fc_caller *now)
{
    struct fc_server *server = call->process.server;
    struct fc_kept *kept = fc_kept_is_allowed(call) ? fc_kept_reserve(server) : NULL;
    if (kept == NULL)
        return false;
    if (compare(call, now) != FC_FITS) {
        fc_kept_put_back(server, kept);
        return false;
    }
    if (!fc_kept_take(call, kept))
        return false;
    call->process.remote = &of_server;
    call->process.own_group = true;
    return true;
}

/* Tells the child whether it may be kept. A child that has served all its calls may not. */
static void allow_keeping(struct forkcall_call *call)
{
    const struct fc_server *server = call->process.server;
    const uint32_t calls = server->calls_per_child == 0 ? FC_CALLS_PER_CHILD : server->calls_per_child;
    const uint64_t bytes = server->child_memory_bytes == 0 ? UINT64_MAX : server->child_memory_bytes;
    fc_channel_set_keep(call, fc_kept_is_allowed(call) && call->task.frame_mark + 1 < calls, bytes);
}

/* Calls with a short timeout must not keep a suspended server in use for ever. So the time that all
 * of them have waited in vain is added up. */
static bool is_silent(const struct fc_server *server)
{
    fc_fds_lock();
    const bool is = server->silent_ns > SILENT_NS;
    fc_fds_unlock();
    return is;
}

static bool is_for_want_of_room(int r)
{
    return r == -EAGAIN || r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static int take_new(struct forkcall_call *call, const struct fc_module_function *function,
                    const struct fc_time_limit *time_limit, char *why, size_t why_size)
{
    fc_channel_set_mark(call, 0);
    const int r = fc_ask_for_child(call, function, time_limit, why, why_size);
    return r == 0 ? adopt(call, time_limit) : r;
}

static int take_from(struct forkcall_call *call, const struct fc_module_function *function,
                     const struct fc_time_limit *time_limit, char *why, size_t why_size)
{
    int r = take_new(call, function, time_limit, why, why_size);
    /* Kept children take up the room of a process, and descriptors of this one. */
    if (is_for_want_of_room(r) && fc_kept_end_all(call->process.server))
        r = take_new(call, function, time_limit, why, why_size);
    if (r == 0)
        return 0;
    if ((r == -ETIMEDOUT || r == -EINTR) && is_silent(call->process.server))
        fc_server_give_up(call->process.server);
    if (r == -ECONNRESET)
        fc_server_retire(call->process.server);
    return r;
}

int fc_server_take_child(struct forkcall_call *call, const struct fc_module_function *function, struct fc_caller *now,
                         char *why, size_t why_size)
{
    const uint64_t limit_ns = fc_now_ns() + CHILD_NS;
    const struct fc_time_limit whole = {.deadline_ns = call->deadline_ns,
                                        .cancel_fd = call->options.cancel_fd_plus_one - 1};
    const struct fc_time_limit of_child = {.deadline_ns = limit_ns < call->deadline_ns ? limit_ns : call->deadline_ns,
                                           .cancel_fd = whole.cancel_fd};
    int r = -ECONNRESET;
    for (int i = 0; i < TRIES && r == -ECONNRESET; i++) {
        r = fc_server_get(&whole, &call->process.server, why, why_size);
        if (r < 0) {
            call->process.server = NULL;
            return r;
        }
        const bool is_kept = take_kept(call, now);
        if (!is_kept)
            r = take_from(call, function, &of_child, why, why_size);
        if (r == 0) {
            allow_keeping(call);
            return is_kept ? FC_FITS : (int)compare(call, now);
        }
        fc_server_unref(call->process.server);
        call->process.server = NULL;
    }
    return r;
}

/* ---- Giving it back -------------------------------------------------------------------------- */

void fc_server_give_back_child(struct forkcall_call *call, bool kill_group)
{
    struct fc_server *server = call->process.server;
    if (fc_kept_put(call)) {
        call->process = (struct fc_process){.fd = -1};
        fc_server_unref(server);
        return;
    }
    struct fc_server_order done = fc_order_make(FC_ORDER_DONE, call->process.pid);
    done.kill_group = kill_group;
    if (!fc_order_send_or_keep(server, &done))
        fc_server_reap(server, done.pid, call->process.fd_is_socket, &call->fds);
    fc_ask_drop_child(call);
    call->process = (struct fc_process){.fd = -1};
    fc_server_unref(server);
}
