/* HOST: Starts a server, ends it, and reaps it. */
#include "server/launch.h"

#include "base/fd_message.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "call/unreaped.h"
#include "config.h"
#include "exec/exec_self.h"
#include "exec/helper.h"
#include "os/process.h"
#include "server/send_order.h"
#include "wire/request.h"
#include "wire/server_message.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPARES 2
/* How long a process that was killed may take to end. */
#define END_NS 1000000000U
#define SPARES_MAX 200U /* as many as the control socket holds, with their descriptors */

/* ---- Options --------------------------------------------------------------------------------- */

/* The options of the last start. A server that is started again gets the same. */
struct kept {
    struct fc_server_setup setup;
    bool fixed_identity, load_early;
    uint32_t calls_per_child;
    uint64_t child_memory_bytes;
    struct fc_module_function prepare;
    char args[FC_REQUEST_ARGS_MAX];
};
/* NULL: the defaults. Written and read only by the thread that starts a server, of which there is
 * one at a time. What it points to is never changed, so that a process that another thread forks
 * meanwhile finds it whole. */
static _Atomic(struct kept *) last;

bool fc_server_options_are_valid(const struct forkcall_server_options *o)
{
    static const uint64_t zero[sizeof o->reserved / sizeof *o->reserved];
    if (memcmp(o->reserved_small, zero, sizeof o->reserved_small) != 0)
        return false;
    if (o->spares > SPARES_MAX || o->timeout_ms < 0 || o->prepare_args_size > FC_REQUEST_ARGS_MAX)
        return false;
    if ((o->prepare_args == NULL && o->prepare_args_size > 0) || (o->prepare == NULL && o->prepare_args != NULL))
        return false;
    return memcmp(o->reserved, zero, sizeof zero) == 0;
}

static int keep_options(const struct forkcall_server_options *o)
{
    struct kept *new = calloc(1, sizeof *new);
    if (new == NULL)
        return -ENOMEM;
    const int r = o->prepare != NULL ? fc_exec_self_name_function(o->prepare, &new->prepare) : 0;
    if (r < 0) { /* the last options stay */
        free(new);
        return r;
    }
    new->setup = (struct fc_server_setup){.spares = o->spares,
                                          .exec_spares = o->exec_spares,
                                          .has_prepare = o->prepare != NULL,
                                          .has_prepare_args = o->prepare_args != NULL,
                                          .prepare_args_size = (uint32_t)o->prepare_args_size};
    new->fixed_identity = o->fixed_identity;
    new->load_early = o->load_early;
    new->calls_per_child = o->calls_per_child;
    new->child_memory_bytes = o->child_memory_bytes;
    if (o->prepare_args != NULL && o->prepare_args_size > 0)
        memcpy(new->args, o->prepare_args, o->prepare_args_size);
    free(atomic_exchange(&last, new));
    return 0;
}

int fc_server_setup_send(int socket, const struct fc_server_setup *setup, const struct fc_module_function *prepare,
                         const void *args)
{
    int r = fc_fd_message_send(socket, setup, sizeof *setup, NULL, 0);
    if (r == 0 && setup->has_prepare)
        r = fc_fd_message_send(socket, prepare, sizeof *prepare, NULL, 0);
    if (r == 0 && setup->prepare_args_size > 0)
        r = fc_fd_message_send(socket, args, setup->prepare_args_size, NULL, 0);
    return r;
}

/* ---- Starting -------------------------------------------------------------------------------- */

static struct fc_server *make(void)
{
    struct fc_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->owner = fc_fds_generation();
    atomic_init(&server->refs, 1);
    server->snapshot = fc_snapshot_take();
    if (server->snapshot != NULL && fc_fds_open(&server->fds) == 0)
        return server;
    fc_snapshot_free(server->snapshot);
    free(server);
    return NULL;
}

bool fc_server_is_lost(const struct fc_server *server)
{
    const bool has_pidfd = atomic_load(&server->ready) && server->fds.fd[FC_FD_PROCESS] >= 0;
    return !fc_fds_has(&server->fds, FC_FD_SOCKET) || (has_pidfd && !fc_fds_has(&server->fds, FC_FD_PROCESS));
}

/* The kernel closes the sockets of a process that ends a moment before the pidfd tells of the end.
 * So both are asked. */
bool fc_server_is_dead(const struct fc_server *server)
{
    if (fc_server_is_lost(server))
        return true;
    const int pidfd = server->fds.fd[FC_FD_PROCESS];
    return (pidfd >= 0 && fc_poll_says(pidfd, POLLIN)) ||
           (fc_poll_now(server->fds.fd[FC_FD_SOCKET], POLLIN) & POLLHUP) != 0;
}

/* Waits until the server has ended, a second at most. The kernel closes the sockets of a process
 * that ends before it gives the children to another parent: at the hang-up alone they could not be
 * reaped yet. */
static void await_end(const struct fc_server *server)
{
    const uint64_t limit_ns = fc_now_ns() + END_NS;
    const bool has_fd = fc_fds_has(&server->fds, FC_FD_PROCESS);
    struct pollfd end = {.fd = server->fds.fd[FC_FD_PROCESS], .events = POLLIN};
    for (uint64_t now = fc_now_ns(); now < limit_ns; now = fc_now_ns()) {
        if (has_fd ? fc_poll_says(end.fd, POLLIN) : fc_server_is_dead(server))
            return;
        fc_poll_or_pause(&end, has_fd ? 1 : 0, has_fd ? (int)((limit_ns - now) / 1000000U) + 1 : 1);
    }
}

/* Tells whether the process is the server, or a child that the server has made. A pidfd always
 * means the same process, while another process may have got the number. Without a pidfd the
 * process is reaped only if it leads a process group in the host's session. The server and its
 * children do so until a function changes it. A child of the host does so only if the host wants
 * it, and must not be reaped here. */
static bool is_of_server(const struct fc_process *process)
{
    const bool has_pidfd = process->fd >= 0 && !process->fd_is_socket && fc_process_watch_is_passable();
    return has_pidfd || (getpgid(process->pid) == process->pid && getsid(process->pid) == getsid(0));
}

static void reap(pid_t pid, bool fd_is_socket, struct fc_fds *fds)
{
    struct fc_process process = {.pid = pid, .fd = fds->fd[FC_FD_PROCESS], .fd_is_socket = fd_is_socket};
    struct fc_ending ending;
    siginfo_t info;
    if (pid <= 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !is_of_server(&process))
        return;
    if (fd_is_socket) {
        /* The server, which would have told of the end, is gone. */
        fc_fds_close(fds, FC_FD_PROCESS);
        process.fd = -1;
        process.fd_is_socket = false;
    }
    if (!fc_process_has_ended(&process, &ending))
        fc_unreaped_add(&process, fds);
}

void fc_server_reap(const struct fc_server *server, pid_t pid, bool fd_is_socket, struct fc_fds *fds)
{
    await_end(server);
    reap(pid, fd_is_socket, fds);
}

/* Reaps the spares that still lie in the control socket of a dead server. Nobody else knows of
 * them. */
static void reap_spares(struct fc_server *server)
{
    struct fc_server_handover handover;
    int fds[FC_HANDOVER_FDS];
    struct fc_fds own;
    size_t count;
    if (fc_fds_open(&own) < 0)
        return;
    for (;;) {
        fc_fds_lock();
        const int r = fc_fd_message_receive(server->fds.fd[FC_FD_SOCKET], &handover, sizeof handover, fds,
                                            FC_HANDOVER_FDS, &count, 0);
        for (size_t i = 0; i < count; i++)
            if (i == 3 && handover.has_pidfd)
                own.fd[FC_FD_PROCESS] = fds[i];
            else
                close(fds[i]);
        fc_fds_unlock();
        if (r < 0 && r != -EMFILE)
            break;
        fc_server_reap(server, handover.pid, false, &own);
        fc_fds_close(&own, FC_FD_PROCESS);
    }
    fc_fds_close_all(&own);
}

/* Lets fc_process_signal ask, without a pidfd, whether the server still has its number: it has
 * while it serves. */
static const struct fc_remote itself = {.is_gone = fc_server_is_dead};

void fc_server_signal(struct fc_server *server, int signal)
{
    const struct fc_process process = {
        .pid = server->pid, .fd = server->fds.fd[FC_FD_PROCESS], .remote = &itself, .server = server};
    if (atomic_load(&server->ready) && !fc_server_is_dead(server))
        fc_process_signal(&process, signal);
}

/* Nobody refers to the server any more, and it is about to see that its control socket is closed. A
 * suspended server would not see that, so it gets SIGCONT. A server that answers nobody does not
 * end by itself, so it is killed. */
static void end(struct fc_server *server)
{
    fc_fds_look(&server->fds);
    const bool hung = atomic_load(&server->hung);
    fc_server_signal(server, hung ? SIGKILL : SIGCONT);
    if (hung)
        await_end(server);
    if (server->fds.fd[FC_FD_PROCESS] >= 0 && server->fds.fd[FC_FD_SOCKET] >= 0 && fc_server_is_dead(server))
        reap_spares(server);
    reap(server->pid, false, &server->fds);
}

void fc_server_free(struct fc_server *server)
{
    fc_orders_end(server);
    if (server->owner == fc_fds_generation() && atomic_load(&server->ready))
        end(server);
    fc_fds_close_all(&server->fds);
    fc_snapshot_free(server->snapshot);
    free(server->early.function);
    free(server);
}

/* Waits for the process that fc_exec_self_start has made. That process forks the server in
 * forkcall_init() and ends, so that the server is no child of this process. */
static int await_exec_self(struct fc_process *started, struct fc_fds *fds, const struct fc_time_limit *time_limit,
                           char *why, size_t why_size)
{
    const uint64_t limit_ns = fc_now_ns() + FC_READY_NS;
    struct fc_ending ending = {.wait_status = -1};
    uint64_t killed_ns = 0; /* 0: it was not killed */
    int r = 0;
    for (unsigned tries = 0; !fc_process_has_ended(started, &ending); tries++) {
        struct pollfd end = {.fd = started->fd, .events = POLLIN};
        const uint64_t now = fc_now_ns();
        if (killed_ns == 0)
            r = fc_time_limit_left(time_limit);
        if (killed_ns == 0 && (r < 0 || now >= limit_ns)) {
            fc_process_signal_group(started, SIGKILL);
            fc_process_signal(started, SIGKILL);
            killed_ns = now;
        } else if (killed_ns != 0 && now >= killed_ns + END_NS) {
            /* The process cannot end now (it may wait for a disk), so it is reaped later. */
            fc_unreaped_add(started, fds);
            break;
        }
        fc_poll_or_pause(&end, 1, fc_process_backoff_ms(tries));
    }
    if (r < 0)
        return r;
    if (killed_ns != 0) {
        snprintf(why, why_size, FC_EXEC_SELF_LATE);
        return -ENOEXEC;
    }
    if (!ending.status_known || ending.wait_status == 0)
        return 0; /* if somebody else has reaped it, the control socket shows whether it worked */
    fc_exec_self_failed(ending.wait_status);
    fc_exec_self_describe_end(ending.wait_status, why, why_size);
    return -fc_exec_self_error_of_end(ending.wait_status);
}

static int start_exec_self(struct fc_server *server, const struct fc_time_limit *time_limit, char *why, size_t why_size)
{
    struct fc_process started = {.fd = -1};
    uint64_t nonce = 0;
    pid_t pid = -1;
    const char *step = "the socket to the server";
    const struct kept *kept = atomic_load(&last);
    struct fc_server_setup setup = {.spares = 0};
    if (kept != NULL)
        setup = kept->setup;
    if (setup.spares == 0)
        setup.spares = SPARES;
    setup.credentials = *fc_snapshot_credentials(server->snapshot);
    server->spares = setup.spares;
    server->is_helper = fc_helper_is_used();
    server->early.is_on = kept != NULL && kept->load_early && !setup.exec_spares && !FC_SPARES_ARE_EXECED;
    server->fixed_identity = kept != NULL && kept->fixed_identity;
    server->calls_per_child = kept != NULL ? kept->calls_per_child : 0;
    server->child_memory_bytes = kept != NULL ? kept->child_memory_bytes : 0;
    int r = fc_fd_message_pair_in(&server->fds);
    const int socket = server->fds.fd[FC_FD_SOCKET];
    if (r == 0)
        r = fc_exec_self_hello(socket, FC_ROLE_SERVER, &nonce);
    if (r == 0)
        r = fc_server_setup_send(socket, &setup, kept != NULL ? &kept->prepare : NULL,
                                 kept != NULL ? kept->args : NULL);
    if (r == 0)
        r = fc_exec_self_start(server->fds.fd[FC_FD_PEER_SOCKET], nonce, true, &pid, &step);
    fc_fds_close(&server->fds, FC_FD_PEER_SOCKET);
    if (r < 0) {
        snprintf(why, why_size, "%s%s%s", step, fc_exec_self_error_is_told(r) ? "" : ": ",
                 fc_exec_self_error_is_told(r) ? "" : strerror(-r));
        return r;
    }
    fc_process_open(&started, pid, &server->fds);
    started.own_group = true; /* a file that is no helper may have children by now */
    r = await_exec_self(&started, &server->fds, time_limit, why, why_size);
    fc_fds_close(&server->fds, FC_FD_PROCESS);
    return r;
}

int fc_server_start(const struct forkcall_server_options *options, const struct fc_time_limit *time_limit,
                    struct fc_server **server, char *why, size_t why_size)
{
    int r = options != NULL ? keep_options(options) : 0;
    if (r < 0)
        return r;
    *server = make();
    if (*server == NULL)
        return -ENOMEM;
    r = start_exec_self(*server, time_limit, why, why_size);
    if (r < 0) {
        fc_server_free(*server);
        return r;
    }
    fc_fds_remember(&(*server)->fds, FC_FD_SOCKET, FC_FD_SOCKET + 1);
    fc_fds_expire(&(*server)->fds); /* the host may close any descriptor between two calls */
    return 0;
}
