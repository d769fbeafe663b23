/* HOST: Gets, starts and retires the one server of this process. The public functions for it. */
#include "server/get_server.h"

#include "base/fd_message.h"
#include "base/io.h"
#include "base/kept.h"
#include "base/poll_fds.h"
#include "exec/exec_self.h"
#include "exec/helper.h"
#include "os/process.h"
#include "server/kept_children.h"
#include "server/launch.h"
#include "server/send_order.h"
#include "wire/server_message.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long forkcall_server_stop waits for the server's end before the server is killed. */
#define STOP_NS 1000000000U
/* How long a thread waits before it looks again at what another thread does. */
#define TURN_MS 5

/* Protected by fc_fds_lock. */
static struct fc_server *current;

/* ---- The one server -------------------------------------------------------------------------- */

void fc_server_unref(struct fc_server *server)
{
    if (atomic_fetch_sub(&server->refs, 1) != 1)
        return;
    fc_kept_forget(server); /* a server of this process has ended all of them before */
    fc_server_free(server);
}

/* Returns the current server with a reference; NULL: there is none. A process that the host forks
 * has its parent's memory, but the parent's server is not for it: it drops what it has of it. */
static struct fc_server *ref_current(void)
{
    struct fc_server *of_parent = NULL;
    fc_fds_lock();
    if (current != NULL && current->owner != fc_fds_generation()) {
        of_parent = current;
        current = NULL;
    }
    struct fc_server *server = current;
    if (server != NULL)
        atomic_fetch_add(&server->refs, 1);
    fc_fds_unlock();
    if (of_parent != NULL) {
        fc_fds_forget(&of_parent->fds); /* fc_fds_fork's handler has closed them */
        fc_server_unref(of_parent);
    }
    return server;
}

void fc_server_retire(struct fc_server *server)
{
    fc_fds_lock();
    const bool was_current = current == server;
    if (was_current)
        current = NULL;
    server->retired = true;
    fc_fds_unlock();
    fc_kept_end_all(server);
    if (was_current)
        fc_server_unref(server);
}

void fc_server_give_up(struct fc_server *server)
{
    atomic_store(&server->hung, true);
    fc_server_retire(server);
}

bool fc_order_send_or_keep(struct fc_server *server, struct fc_server_order *order)
{
    int r = fc_order_send(server, order, -1);
    if (r == -EAGAIN)
        r = fc_order_keep(server, order);
    if (r < 0)
        fc_server_retire(server);
    return r == 0;
}

static bool has_current(void)
{
    struct fc_server *server = ref_current();
    if (server == NULL)
        return false;
    const bool serves = !fc_server_is_lost(server) && server->is_helper == fc_helper_is_used() &&
                        !(atomic_load(&server->ready) && fc_server_is_dead(server));
    if (!serves)
        fc_server_retire(server);
    fc_server_unref(server);
    return serves;
}

/* Only one thread at a time starts a server. A mutex would not do: a thread that waits for it could
 * not end at its deadline, and a process forked meanwhile would find it locked for ever. */
/* The fc_fds_generation() of the process whose thread starts a server; 0: nobody starts one. */
static atomic_uint starter;

static bool begin_start(void)
{
    const unsigned self = fc_fds_generation();
    unsigned seen = 0;
    if (atomic_compare_exchange_strong(&starter, &seen, self))
        return true;
    /* A thread of the parent started a server when this process was forked. It is not here to end
     * the start. */
    return seen != self && atomic_compare_exchange_strong(&starter, &seen, self);
}

static void end_start(void)
{
    atomic_store(&starter, 0);
}

/* started: gets the number of the server, if one was started. */
static int start_new(const struct forkcall_server_options *options, const struct fc_time_limit *time_limit,
                     unsigned *started, char *why, size_t why_size)
{
    static atomic_uint numbers;
    struct fc_server *server;
    int r = fc_server_start(options, time_limit, &server, why, why_size);
    if (r < 0)
        return r;
    *started = server->number = atomic_fetch_add(&numbers, 1) + 1;
    fc_fds_lock();
    current = server;
    fc_fds_unlock();
    return 0;
}

/* Takes the server's first message. It is only looked at first: if its descriptor finds no room in
 * this process, the message stays and can be taken later. */
static int receive_ready(int socket, struct fc_server_ready *ready, int *pidfd)
{
    size_t count;
    *pidfd = -1;
    const ssize_t n = recv(socket, ready, sizeof *ready, MSG_DONTWAIT | MSG_PEEK);
    if (n < 0)
        return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
    if (n == (ssize_t)sizeof *ready && ready->has_pidfd) {
        const int r = fc_fd_message_peek(socket, ready, sizeof *ready, pidfd, 1, &count);
        if (r == 0 && recv(socket, ready, sizeof *ready, MSG_DONTWAIT) != (ssize_t)sizeof *ready)
            return -EPROTO;
        return r;
    }
    return fc_fd_message_receive(socket, ready, sizeof *ready, NULL, 0, &count, 0);
}

/* Opens a pidfd of a server that has not sent one. The server is alive, and so has its number, as
 * long as the other end of the control socket is open. Negative: there is none. */
static int open_living(pid_t pid, int socket)
{
    const int fd = fc_fd_above_streams(fc_process_watch_open(pid));
    if (fd >= 0 && (fc_poll_now(socket, POLLIN) & POLLHUP) != 0) {
        close(fd);
        return -ESRCH;
    }
    return fd;
}

/* Takes the first message of the server, if it has not been taken. It says that the server serves,
 * or why not: then its positive errno is returned. -EAGAIN: the message has not come. */
static int take_ready(struct fc_server *server, char *why, size_t why_size)
{
    struct fc_server_ready ready;
    int pidfd;
    int r = 0;
    bool came = false;
    fc_fds_lock();
    if (!atomic_load(&server->ready)) {
        r = receive_ready(server->fds.fd[FC_FD_SOCKET], &ready, &pidfd);
        if (r == 0) {
            if (pidfd < 0)
                pidfd = open_living(ready.pid, server->fds.fd[FC_FD_SOCKET]);
            server->fds.fd[FC_FD_PROCESS] = pidfd < 0 ? -1 : pidfd;
            server->pid = ready.pid;
            server->error = ready.error;
            fc_snapshot_set_server(server->snapshot, ready.pid, &ready.has);
            memcpy(server->why, ready.why, sizeof server->why);
            server->why[sizeof server->why - 1] = '\0';
            atomic_store(&server->ready, true);
            came = true;
        }
    }
    if (r == 0 && server->error != 0) {
        snprintf(why, why_size, "%s", server->why);
        r = server->error;
    }
    fc_fds_unlock();
    if (came)
        fc_fds_remember(&server->fds, FC_FD_PROCESS, FC_FD_PROCESS + 1);
    return r;
}

static int await_ready(struct fc_server *server, const struct fc_time_limit *time_limit, char *why, size_t why_size)
{
    for (;;) {
        int r = take_ready(server, why, why_size);
        if (r != -EAGAIN)
            return r > 0 ? -r : r;
        r = fc_time_limit_left(time_limit);
        if (r < 0)
            return r;
        struct pollfd p = {.fd = server->fds.fd[FC_FD_SOCKET], .events = POLLIN};
        fc_poll_or_pause(&p, 1, TURN_MS);
    }
}

/* The error is not the server's fault. It may serve other calls, and this one at another time. */
static bool is_of_the_call(int r)
{
    return r == -ETIMEDOUT || r == -EINTR || r == -EMFILE || r == -ENFILE;
}

/* The server itself has said that it cannot serve. It never will, whatever the errno. */
static bool has_refused(const struct fc_server *server)
{
    return atomic_load(&server->ready) && server->error != 0;
}

/* started: the number of the server that the calling thread has just started; 0: none. */
static int get(const struct fc_time_limit *time_limit, unsigned started, struct fc_server **server, char *why,
               size_t why_size)
{
    for (;;) {
        int r = 0;
        *server = ref_current();
        if (*server != NULL) {
            const bool served = atomic_load(&(*server)->ready);
            /* The host has closed its descriptors, or has called forkcall_init() since: such a
             * server counts as none. */
            if (fc_server_is_lost(*server) || (*server)->is_helper != fc_helper_is_used()) {
                fc_server_retire(*server);
                fc_server_unref(*server);
                continue;
            }
            r = await_ready(*server, time_limit, why, why_size);
            if (r == 0 && (*server)->number == started)
                fc_snapshot_note_ptrace((*server)->snapshot);
            if (r == 0)
                return 0;
            if (!is_of_the_call(r) || has_refused(*server))
                fc_server_retire(*server);
            if (r == -ECONNRESET && !served)
                snprintf(why, why_size, "it ended before it was ready");
            fc_server_unref(*server);
            if (!served)
                return r;
        } else if (begin_start()) {
            r = has_current() ? 0 : start_new(NULL, time_limit, &started, why, why_size);
            end_start();
            if (r < 0)
                return r;
        } else {
            r = fc_time_limit_left(time_limit);
            if (r < 0)
                return r;
            fc_poll_or_pause(NULL, 0, TURN_MS);
        }
    }
}

int fc_server_get(const struct fc_time_limit *time_limit, struct fc_server **server, char *why, size_t why_size)
{
    return get(time_limit, 0, server, why, why_size);
}

/* ---- The public functions -------------------------------------------------------------------- */

/* Retires the server if it has not become ready, so that other calls do not wait for it. */
static void give_up(void)
{
    struct fc_server *server = ref_current();
    if (server == NULL)
        return;
    if (!atomic_load(&server->ready))
        fc_server_retire(server);
    fc_server_unref(server);
}

static int start(const struct forkcall_server_options *options)
{
    static const struct forkcall_server_options defaults;
    char why[200] = "";
    struct fc_server *server;
    if (options == NULL)
        options = &defaults;
    if (fc_exec_self_is_unfinished())
        _exit(FC_EXIT_BEFORE_INIT);
    const bool serves = has_current();
    if (!fc_server_options_are_valid(options))
        return -EINVAL;
    if (!fc_exec_self_is_possible())
        return fc_executable_is_privileged() ? -EPERM : -ENOTSUP;
    if (serves)
        return -EALREADY;
    const uint64_t timeout_ns = (uint64_t)options->timeout_ms * 1000000U;
    const struct fc_time_limit time_limit = {.deadline_ns = timeout_ns == 0 ? UINT64_MAX : fc_now_ns() + timeout_ns,
                                             .cancel_fd = -1};
    if (!begin_start())
        return -EALREADY;
    unsigned started = 0;
    int r = has_current() ? -EALREADY : start_new(options, &time_limit, &started, why, sizeof why);
    end_start();
    if (r == 0)
        r = get(&time_limit, started, &server, why, sizeof why);
    if (r == 0)
        fc_server_unref(server);
    else if (r == -ETIMEDOUT)
        give_up();
    return r;
}

/* The server's process has ended. If it is a child of this process it can be reaped. */
static bool is_over(const struct fc_server *server)
{
    const int pidfd = server->fds.fd[FC_FD_PROCESS];
    return pidfd >= 0 ? fc_poll_says(pidfd, POLLIN) : fc_server_is_dead(server);
}

/* Stops the server. It ends when the host closes the last descriptor of its control socket, which
 * calls that have a child keep open. */
static int stop(void)
{
    struct fc_server *server = ref_current();
    if (server == NULL)
        return 0;
    fc_server_retire(server);
    const uint64_t deadline_ns = fc_now_ns() + STOP_NS;
    if (atomic_load(&server->refs) == 1 && !fc_server_is_lost(server)) {
        /* A suspended server would not see the end of its socket. */
        fc_server_signal(server, SIGCONT);
        shutdown(server->fds.fd[FC_FD_SOCKET], SHUT_WR);
        while (!is_over(server) && fc_now_ns() < deadline_ns)
            fc_poll_or_pause(NULL, 0, 1);
        if (!is_over(server))
            atomic_store(&server->hung, true); /* fc_server_free kills it */
    }
    fc_server_unref(server);
    return 0;
}

int forkcall_server_start(const struct forkcall_server_options *options)
{
    const struct fc_kept kept = fc_keep();
    const int r = start(options);
    fc_restore(kept);
    return r;
}

int forkcall_server_stop(void)
{
    const struct fc_kept kept = fc_keep();
    const int r = stop();
    fc_restore(kept);
    return r;
}
