/* SERVER: The list of the server's children: makes them, sends them to the host, and reaps them. */
#include "server/children.h"

#include "base/descriptors.h"
#include "base/fd_message.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "base/sections.h"
#include "os/process.h"
#include "os/process_tree.h"
#include "server/make_child.h"
#include "server/server_state.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A refill that has failed is tried again after RETRY_MIN_NS, and after twice that time for each
 * further failure. */
#define RETRY_MIN_NS 10000000U
#define RETRY_MAX_NS 1000000000U

struct child {
    pid_t pid;
    uint32_t ask; /* the ASK that it was made for; 0: it is, or was, a spare */
    bool released, kill_group;
    bool dead;           /* it has ended, and is not reaped */
    int status_socket;   /* -1: nobody has asked how it ended */
    uint64_t kill_at_ns; /* UINT64_MAX: it is not to be killed, or was killed */
    struct fc_ending ending;
};

static struct {
    int control;
    unsigned spares;
    const struct fc_prepare *exec_with;
    struct child *list;
    size_t count, room;
    size_t ending; /* how many children are released and not reaped */
    unsigned reaped;
    /* How many spares were sent through the control socket, and how many of them the host has said
     * that it took. */
    uint32_t sent, taken;
    /* How long to wait if the next refill fails; 0: the last one did not fail. */
    uint64_t retry_ns;
    uint64_t refill_at_ns;
    void (*leave_in_child)(int);
    bool adopts; /* this process gets the orphans of the calls' functions */
} children;

void fc_children_open(int control, const struct fc_prepare *exec_with, unsigned spares, void (*leave_in_child)(int))
{
    children.leave_in_child = leave_in_child;
    children.control = control;
    children.exec_with = exec_with;
    children.spares = spares;
}

/* The module that spares load, and its number; 0: none. */
static FC_LARGE_STORAGE struct fc_module_function early;
static uint32_t early_number;

static bool lacks_spares(void)
{
    return children.sent - children.taken < children.spares;
}

static struct child *find(pid_t pid)
{
    for (size_t i = 0; i < children.count; i++)
        if (children.list[i].pid == pid)
            return &children.list[i];
    return NULL;
}

static bool make_room(void)
{
    if (children.count < children.room)
        return true;
    const size_t room = children.room * 2 + 16;
    struct child *list = realloc(children.list, room * sizeof *list);
    if (list == NULL)
        return false;
    children.list = list;
    children.room = room;
    return true;
}

/* ---- The end of a child ---------------------------------------------------------------------- */

/* Tells whoever has asked how the child has ended. */
static void send_ending(struct child *child)
{
    if (child->status_socket < 0)
        return;
    fc_fd_message_send(child->status_socket, &child->ending, sizeof child->ending, NULL, 0);
    close(child->status_socket);
    child->status_socket = -1;
}

static void wait_for(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* Reaps the orphans that have ended. The kernel lists them behind the children that were made
 * before. A child of the list above that has ended and is not to be reaped yet hides them until it
 * is reaped. */
static void reap_adopted(void)
{
    siginfo_t info;
    while (children.adopts) {
        memset(&info, 0, sizeof info);
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 || find(info.si_pid) != NULL)
            return;
        wait_for(info.si_pid);
    }
}

/* Looks whether the child has ended. */
static bool is_dead(struct child *child)
{
    if (!child->dead)
        child->dead = fc_process_watch_peek(child->pid, &child->ending);
    return child->dead;
}

/* Reaps a child. False: it lives. */
static bool wait_now(struct child *child)
{
    if (child->status_socket < 0 && !child->dead && !child->kill_group)
        return waitpid(child->pid, NULL, WNOHANG) != 0; /* nobody needs to know more of it */
    if (!is_dead(child))
        return false;
    send_ending(child);
    if (child->kill_group)
        /* The child is not reaped yet, so no other group can have its number. */
        kill(-child->pid, SIGKILL);
    wait_for(child->pid);
    return true;
}

/* Reaps a released child, and takes it out of the list, if it is dead. */
static bool reap(struct child *child)
{
    if (!wait_now(child))
        return false;
    children.ending--;
    children.reaped++;
    *child = children.list[--children.count];
    return true;
}

/* Looks only at children that are released, or of which somebody has asked how they end. The others
 * are looked at when that happens. Where many threads call, each end would else cost a system call
 * for the child of each other call. */
void fc_children_find_ended(void)
{
    for (size_t i = children.count; i-- > 0;) {
        struct child *child = &children.list[i];
        if (child->released)
            reap(child);
        else if (child->status_socket >= 0 && is_dead(child))
            send_ending(child);
    }
    reap_adopted();
}

unsigned fc_children_reaped(void)
{
    return children.reaped;
}

bool fc_children_are_ending(void)
{
    return children.ending > 0;
}

static void release(struct child *child, bool kill_group)
{
    if (child == NULL || child->released)
        return;
    child->released = true;
    child->kill_group = kill_group;
    child->kill_at_ns = fc_now_ns() + FC_CHILD_END_NS;
    children.ending++;
    if (reap(child))
        reap_adopted();
}

void fc_children_release(pid_t pid, bool kill_group)
{
    release(find(pid), kill_group);
}

void fc_children_drop(uint32_t ask)
{
    for (size_t i = children.count; i-- > 0;)
        if (children.list[i].ask == ask) {
            release(&children.list[i], true);
            return;
        }
}

void fc_children_send_ending(pid_t pid, int socket)
{
    struct child *child = find(pid);
    if (child == NULL || child->status_socket >= 0) {
        if (socket >= 0)
            close(socket);
        return;
    }
    child->status_socket = socket;
    if (is_dead(child))
        send_ending(child);
}

uint64_t fc_children_next_ns(void)
{
    uint64_t first = lacks_spares() ? children.refill_at_ns : UINT64_MAX;
    for (size_t i = 0; i < children.count; i++)
        if (children.list[i].kill_at_ns < first)
            first = children.list[i].kill_at_ns;
    return first;
}

void fc_children_kill_overdue(void)
{
    for (size_t i = 0; i < children.count; i++) {
        struct child *child = &children.list[i];
        if (child->kill_at_ns > fc_now_ns())
            continue;
        kill(child->pid, SIGKILL);
        child->kill_at_ns = UINT64_MAX;
    }
}

/* Reaps the server's own children that have ended. True: none is left. Orphans go on. */
static bool all_are_reaped(void)
{
    size_t left = 0;
    for (size_t i = 0; i < children.count; i++) {
        struct child *child = &children.list[i];
        if (child->pid > 0 && waitpid(child->pid, NULL, WNOHANG) != 0)
            child->pid = 0;
        left += child->pid > 0;
    }
    return left == 0;
}

void fc_children_kill_all(void)
{
    const uint64_t end_ns = fc_now_ns() + FC_CHILD_END_NS;
    for (size_t i = 0; i < children.count; i++) {
        const struct child *child = &children.list[i];
        if (!child->released || child->kill_group) /* else what it has started goes on */
            kill(-child->pid, SIGKILL);
        kill(child->pid, SIGKILL);
    }
    while (!all_are_reaped() && fc_now_ns() < end_ns)
        fc_poll_or_pause(NULL, 0, 1);
    reap_adopted();
}

/* ---- The beginning of a child ---------------------------------------------------------------- */

static int hand_over(struct fc_new_child *new, int socket, uint32_t module)
{
    struct fc_server_handover handover;
    memset(&handover, 0, sizeof handover); /* the padding is sent to another process, too */
    handover.pid = (int32_t) new->pid;
    handover.execed = children.exec_with != NULL;
    handover.module = module;
    int fds[FC_HANDOVER_FDS] = {new->request[1], new->request[0], new->reply[0]};
    size_t count = 3;
    if (new->pidfd < 0 && fc_process_watch_is_passable())
        new->pidfd = fc_process_watch_open(new->pid);
    handover.has_pidfd = new->pidfd >= 0;
    if (new->pidfd >= 0)
        fds[count++] = new->pidfd;
    handover.has_region = new->region >= 0;
    if (new->region >= 0)
        fds[count++] = new->region;
    return fc_fd_message_send(socket, &handover, sizeof handover, fds, count);
}

/* Makes this process the parent of the functions' orphans if the host would be it otherwise. A host
 * that is PID 1 or a subreaper does not expect them. */
static void adopt_in_place_of_host(void)
{
    if (!children.adopts && fc_server_state_is_child_of_host())
        children.adopts = fc_adopt_orphans();
}

/* Makes a child and enters it as the last of the list. It is not sent to the host yet. extra: a
 * socket with the call's descriptors for it; -1: none. module: what it loads at once; NULL:
 * nothing. 0 or a negative errno. */
static int make(struct fc_new_child *new, int extra, const struct fc_module_function *module)
{
    if (!make_room())
        return -ENOMEM;
    adopt_in_place_of_host();
    const int r = fc_make_child(new, children.exec_with, extra, children.leave_in_child, module);
    if (r == 0)
        children.list[children.count++] =
            (struct child){.pid = new->pid, .status_socket = -1, .kill_at_ns = UINT64_MAX};
    return r;
}

/* Ends the last child of the list, which could not be sent to anybody. */
static void end_last(void)
{
    struct child *child = &children.list[children.count - 1];
    kill(child->pid, SIGKILL);
    release(child, true);
}

static int hand_over_as_spare(struct fc_new_child *new, uint32_t module)
{
    const int r = hand_over(new, children.control, module);
    if (r == 0)
        children.sent++;
    return r;
}

int fc_children_make_for(int socket, uint32_t ask, bool has_fds)
{
    const uint32_t module = has_fds ? 0 : early_number;
    struct fc_new_child new;
    int r = make(&new, has_fds ? socket : -1, module != 0 ? &early : NULL);
    if (r < 0)
        return r;
    r = hand_over(&new, socket, module);
    if (r == 0)
        children.list[children.count - 1].ask = ask;
    else if (r == -EPIPE && !has_fds && lacks_spares())
        r = hand_over_as_spare(&new, module) == 0 ? 0 : -EPIPE;
    if (r < 0)
        end_last();
    fc_new_child_close(&new);
    return r;
}

/* ---- Spares ---------------------------------------------------------------------------------- */

void fc_children_note_taken(uint32_t taken)
{
    const uint32_t more = taken - children.taken;
    /* An order that another has overtaken has an older number. */
    if (more <= children.sent - children.taken)
        children.taken = taken;
}

void fc_children_refill_soon(void)
{
    children.refill_at_ns = 0;
}

void fc_children_load_early(uint32_t number, int socket)
{
    size_t count;
    const bool named = number != 0 && socket >= 0 && children.exec_with == NULL &&
                       fc_fd_message_receive(socket, &early, sizeof early, NULL, 0, &count, 0) == 0;
    early_number = named && !fc_module_is_loaded(&early) ? number : 0;
}

void fc_children_refill(void)
{
    struct fc_new_child new;
    if (!lacks_spares() || fc_now_ns() < children.refill_at_ns)
        return;
    int r = make(&new, -1, early_number != 0 ? &early : NULL);
    if (r == 0) {
        r = hand_over_as_spare(&new, early_number);
        if (r < 0)
            end_last();
        fc_new_child_close(&new);
    }
    if (r == 0) {
        children.retry_ns = 0;
        return;
    }
    children.retry_ns = children.retry_ns == 0                 ? RETRY_MIN_NS
                        : children.retry_ns * 2 < RETRY_MAX_NS ? children.retry_ns * 2
                                                               : RETRY_MAX_NS;
    children.refill_at_ns = fc_now_ns() + children.retry_ns;
}

void fc_children_forget(void)
{
    for (size_t i = 0; i < children.count; i++)
        if (children.list[i].status_socket >= 0)
            close(children.list[i].status_socket);
    children.count = 0;
}
