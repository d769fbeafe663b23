/* SERVER: The server from its start to its end: prepare, the loop over orders and children, the
 * end. */
#include "server/server_main.h"

#include "base/descriptors.h"
#include "base/fd_message.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "base/process_name.h"
#include "base/sections.h"
#include "child/coverage.h"
#include "child/crash_handler.h"
#include "child/prepare.h"
#include "child/run.h"
#include "child/run_request.h"
#include "config.h"
#include "exec/exec_self.h"
#include "os/lifeline.h"
#include "os/process.h"
#include "os/process_tree.h"
#include "os/sched_batch.h"
#include "os/settings.h"
#include "os/threads.h"
#include "server/children.h"
#include "server/server_state.h"
#include "server/snapshot.h"
#include "server/waiting_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static FC_LARGE_STORAGE struct fc_prepare prepare;
static int control_fd = -1, host_fd = -1;

/* Runs first in a forked child: closes what is the server's. extra: the child's own socket, which
 * stays open; -1: none. */
static void leave_in_child(int extra)
{
    fc_server_state_leave(control_fd, host_fd);
    fc_children_forget();
    fc_waiting_calls_forget(extra);
}

/* ---- Serving --------------------------------------------------------------------------------- */

static void carry_out(const struct fc_server_order *order, int socket)
{
    fc_children_note_taken(order->taken);
    switch ((enum fc_server_order_kind)order->kind) {
    case FC_ORDER_ASK:
        if (order->pid != 0)
            fc_children_release(order->pid, true);
        if (socket >= 0)
            fc_waiting_calls_add(socket, order->ask, order->has_fds);
        return;
    case FC_ORDER_DONE:
        fc_children_release(order->pid, order->kill_group);
        break;
    case FC_ORDER_DROP:
        fc_waiting_calls_drop(order->ask);
        fc_children_drop(order->ask);
        break;
    case FC_ORDER_STATUS:
        if (socket >= 0)
            fc_children_send_ending(order->pid, socket);
        return;
    case FC_ORDER_LOAD:
        fc_children_load_early(order->ask, socket);
        break;
    }
    fc_children_refill_soon();
    if (socket >= 0)
        close(socket);
}

/* Takes an order from the control socket. False: the host has closed it.
 *
 * If the server has no descriptor free for the socket that comes with an order, it obeys the order
 * without the socket. The host sees the end of that socket, which is an answer. */
static bool take_order(void)
{
    struct fc_server_order order = {.kind = 0};
    size_t count;
    int socket = -1;
    const int r = fc_fd_message_receive(control_fd, &order, sizeof order, &socket, 1, &count, 0);
    if (r == -EAGAIN)
        return true;
    /* The order stays in the socket. A server that ended for want of memory would take the children
     * of other calls with it. */
    if (r == -ENOMEM || r == -ENOBUFS) {
        fc_pause();
        return true;
    }
    if (r < 0 && r != -EMFILE)
        return false;
    carry_out(&order, r == 0 && count == 1 ? socket : -1);
    return true;
}

static int timeout_ms(void)
{
    const uint64_t children = fc_children_next_ns();
    const uint64_t asks = fc_waiting_calls_next_ns();
    const uint64_t first = children < asks ? children : asks;
    const uint64_t now = fc_now_ns();
    if (fc_waiting_calls_can_be_tried() || first <= now)
        return 0;
    return first == UINT64_MAX ? -1 : (int)((first - now) / 1000000U) + 1;
}

/* Tells whether the loop can go on after fc_poll has failed. It can if only memory was short. If
 * polling is refused for good, the server would neither see the end of its host nor ever sleep. */
static bool can_go_on(int error)
{
    if (error == EINTR)
        return true;
    fc_pause();
    return error == ENOMEM || error == EAGAIN;
}

/* The loop. SCHED_BATCH lets the host's thread, which has just sent that its call is over, return
 * from the call before this process makes another child. Waiting calls come first, then orders,
 * then spares. */
_Noreturn static void serve(void)
{
    fc_sched_batch_set(true);
    for (;;) {
        struct pollfd fds[] = {{.fd = control_fd, .events = POLLIN},
                               {.fd = fc_sigchld_fd(), .events = POLLIN},
                               {.fd = host_fd, .events = POLLIN}};
        if (fc_poll(fds, 3, timeout_ms()) < 0 && !can_go_on(errno))
            break;
        if (fds[1].revents != 0) {
            fc_sigchld_drain();
            fc_children_find_ended();
        }
        fc_children_kill_overdue();
        if (fds[2].revents != 0) /* the host is gone */
            break;
        if (fc_waiting_calls_can_be_tried())
            fc_waiting_calls_try();
        else if (fds[0].revents == 0)
            fc_children_refill();
        else if (!take_order())
            break;
    }
    while (take_order()) { /* the last orders tell which children are released */
        if (!fc_poll_says(control_fd, POLLIN))
            break;
    }
    fc_children_kill_all();
    fc_coverage_write();
    _exit(0);
}

/* ---- Beginning ------------------------------------------------------------------------------- */

/* Sends the first message to the host. error: 0: the server serves; a positive errno: it cannot,
 * and this process then ends with that exit status. */
static void send_ready(int error, const char *why, int status)
{
    struct fc_server_ready ready;
    memset(&ready, 0, sizeof ready); /* the padding is sent to another process, too */
    ready.error = error;
    ready.pid = getpid();
    snprintf(ready.why, sizeof ready.why, "%s", why);
    fc_server_rights_take(&ready.has);
    const int self = fc_process_watch_is_passable() ? fc_process_watch_open(getpid()) : -1;
    ready.has_pidfd = self >= 0;
    int r = fc_fd_message_send(control_fd, &ready, sizeof ready, &self, self >= 0 ? 1 : 0);
    /* Too many descriptors are in flight: the host opens a pidfd itself. */
    if (r == -ETOOMANYREFS) {
        ready.has_pidfd = false;
        r = fc_fd_message_send(control_fd, &ready, sizeof ready, NULL, 0);
    }
    if (r < 0)
        _exit(0);
    if (self >= 0)
        close(self);
    if (error != 0)
        _exit(status);
}

/* Forks the server proper and ends this process, which the host reaps at once. So the host has no
 * child because of the server. */
static void leave_host(pid_t host)
{
    fc_server_state_note_host(host);
    /* As long as this process is the host's child, the host's number cannot be another
     * process's. */
    const int fd = fc_process_watch_open(host);
    host_fd = fd < 0 ? -1 : fd;
    if (getppid() != host)
        _exit(0);
    /* The end of PID 1 ends all processes of a namespace, and this process is about to end. */
    if (getpid() == 1)
        send_ready(ENOTSUP, "the children of this process are in a process namespace of their own (unshare(2))", 0);
    const pid_t pid = fork();
    if (pid < 0)
        send_ready(errno, errno == EAGAIN ? FC_NO_PROCESS : strerror(errno), 0);
    if (pid != 0)
        _exit(0);
    setpgid(0, 0); /* Ctrl-C for the host's group must not end the server */
}

/* Runs the user's function prepare. It may never return, and the server does not watch the host
 * meanwhile. So the control socket is made a lifeline: when the host ends, the kernel closes its
 * end, and the lifeline kills this process. The host sends nothing before it knows that the server
 * is ready. */
static int run_prepare(char *why, size_t why_size)
{
    const bool has_lifeline = fc_lifeline_prepare(control_fd);
    if (has_lifeline)
        fc_lifeline_set_owner(control_fd, getpid());
    if ((fc_poll_now(control_fd, POLLIN) & POLLHUP) != 0)
        _exit(0);
    int r = fc_prepare_run(&prepare, why, why_size);
    /* While the socket is a lifeline, the host's next message would kill the server. */
    if (has_lifeline && fcntl(control_fd, F_SETFL, 0) < 0 && r == 0)
        r = -errno;
    return r;
}

_Noreturn void fc_server_child_main(int socket)
{
    int own[FC_OWN_COUNT];
    char why[200] = "";
    fc_own_fds_clear(own);
    const pid_t maker = fc_fd_message_maker(socket);
    fc_end_with_parent(maker >= 0 ? maker : getppid());
    if (fc_prepare_receive(socket, &prepare) < 0 || fc_fd_list_receive(socket, own) < 0 ||
        fc_credentials_take_on(&prepare.setup.credentials) < 0)
        _exit(FC_EXIT_REFUSED);
    fc_lifeline_own(own[FC_OWN_LIFELINE]);
    const int r = fc_prepare_run(&prepare, why, sizeof why);
    fflush(NULL);
    fc_module_warm_up();
    fc_run_request(own, true, true, r < 0 ? why : NULL, NULL);
}

_Noreturn void fc_server_main(int control)
{
    char why[200] = "";
    int r = fc_prepare_receive(control, &prepare);
    if (r < 0)
        _exit(FC_EXIT_REFUSED);
    control_fd = control;
    bool exec_spares = prepare.setup.exec_spares || FC_SPARES_ARE_EXECED || fc_other_threads_go_on();
    leave_host(getppid());
    r = fc_credentials_take_on(&prepare.setup.credentials);
    /* The host compares itself with the server by kcmp(2), which the kernel allows only if the
     * server is dumpable (server/snapshot.h). */
    fc_settings_set_secret(false);
    if (r < 0)
        snprintf(why, sizeof why, "it cannot take on the users, groups and capabilities of the thread that started it");
    if (r == 0 && !exec_spares) {
        r = run_prepare(why, sizeof why);
        /* The function prepare has started threads, which a fork would not have: children are
         * exec'ed instead. */
        exec_spares = fc_other_threads_go_on();
    }
    /* Else each child would write again what constructors and prepare have written to stdio. */
    fflush(NULL);
    fc_child_install_handlers(); /* forked children inherit this */
    if (r == 0)
        r = fc_sigchld_open();
    if (r < 0 && why[0] == '\0')
        snprintf(why, sizeof why, "%s", strerror(-r));
    fc_module_warm_up();
    fc_crash_note_modules();
    fc_process_make_name("child");
    /* After prepare, which may have changed them. */
    fc_settings_note();
    fc_credentials_note();
    fc_children_open(control_fd, exec_spares ? &prepare : NULL, prepare.setup.spares, leave_in_child);
    send_ready(-r, why, FC_EXIT_REFUSED);
    serve();
}
