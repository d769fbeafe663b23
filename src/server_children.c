#include "server_children.h"

#include "fds.h"
#include "io.h"
#include "process.h"
#include "rights.h"
#include "serve.h"
#include "spare_make.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a child that was released may take to end, and all of them when the server ends. */
#define END_NS 1000000000U

struct child {
    pid_t pid;
    bool released, kill_group;
    bool dead;           /* and not reaped */
    int status_socket;   /* -1: nobody has asked */
    uint64_t kill_at_ns; /* UINT64_MAX: not, or it was */
    struct fc_ending ending;
};

static struct {
    int control;
    unsigned spares;
    const struct fc_prepare *copies;
    struct child *list;
    size_t count, room;
    size_t wanted; /* children that are not released */
    size_t asked;  /* calls that wait for one */
} children;

void fc_children_open(int control, const struct fc_prepare *copies, unsigned spares)
{
    children.control = control;
    children.copies = copies;
    children.spares = spares;
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

/* ---- The end of a child -------------------------------------------------------------------------------------- */

static void tell_status(struct child *child)
{
    if (child->status_socket < 0 || !child->dead)
        return;
    fc_rights_send(child->status_socket, &child->ending, sizeof child->ending, NULL, 0);
    close(child->status_socket);
    child->status_socket = -1;
}

/* It is dead and released. */
static void reap(struct child *child)
{
    if (child->kill_group)
        kill(-child->pid, SIGKILL); /* while the number of the group is surely its own */
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (child->status_socket >= 0)
        close(child->status_socket);
    *child = children.list[--children.count];
}

void fc_children_look(void)
{
    for (size_t i = children.count; i-- > 0;) {
        struct child *child = &children.list[i];
        if (child->dead || !fc_wait_peek(child->pid, &child->ending))
            continue;
        child->dead = true;
        tell_status(child);
        if (child->released)
            reap(child);
    }
}

void fc_children_release(pid_t pid, bool kill_group)
{
    struct child *child = find(pid);
    if (child == NULL)
        return;
    child->released = true;
    child->kill_group = kill_group;
    child->kill_at_ns = fc_now_ns() + END_NS;
    if (child->dead)
        reap(child);
}

void fc_children_tell(pid_t pid, int socket)
{
    struct child *child = find(pid);
    if (child == NULL || child->status_socket >= 0) {
        if (socket >= 0)
            close(socket);
        return;
    }
    child->status_socket = socket;
    tell_status(child);
}

static size_t count_kept(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < children.count; i++)
        kept += !children.list[i].released;
    return kept;
}

int fc_children_timeout_ms(void)
{
    uint64_t first = UINT64_MAX;
    if (count_kept() < children.wanted)
        return 0;
    for (size_t i = 0; i < children.count; i++)
        if (children.list[i].kill_at_ns < first)
            first = children.list[i].kill_at_ns;
    const uint64_t now = fc_now_ns();
    if (first == UINT64_MAX)
        return -1;
    return first <= now ? 0 : (int)((first - now) / 1000000U) + 1;
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

void fc_children_kill_all(void)
{
    const uint64_t end_ns = fc_now_ns() + END_NS;
    for (size_t i = 0; i < children.count; i++) {
        const struct child *child = &children.list[i];
        if (!child->released || child->kill_group) /* else what it has started goes on */
            kill(-child->pid, SIGKILL);
        kill(child->pid, SIGKILL);
    }
    while (fc_now_ns() < end_ns && waitpid(-1, NULL, WNOHANG) >= 0)
        poll(NULL, 0, 1);
}

/* ---- The beginning of a child -------------------------------------------------------------------------------- */

static bool hand_over(const struct fc_new_spare *spare, int socket)
{
    struct fc_server_handover handover = {.pid = (int32_t)spare->pid, .is_copy = children.copies != NULL};
    int fds[FC_HANDOVER_FDS] = {spare->request[1], spare->request[0], spare->reply[0]};
    size_t count = 3;
    const int pidfd = fc_wait_is_passable() ? fc_wait_open(spare->pid) : -1;
    handover.has_pidfd = pidfd >= 0;
    if (pidfd >= 0)
        fds[count++] = pidfd;
    handover.has_region = spare->region >= 0;
    if (spare->region >= 0)
        fds[count++] = spare->region;
    const int r = fc_rights_send(socket, &handover, sizeof handover, fds, count);
    if (pidfd >= 0)
        close(pidfd);
    return r == 0;
}

/* extra: a socket with what the child is to have besides; -1: none. 0 or a negative errno. */
static int make(int socket, int extra)
{
    struct fc_new_spare spare;
    if (!make_room())
        return -ENOMEM;
    const int r = fc_spare_make(&spare, children.copies, extra);
    if (r < 0)
        return r;
    children.list[children.count++] = (struct child){.pid = spare.pid, .status_socket = -1, .kill_at_ns = UINT64_MAX};
    const bool taken = hand_over(&spare, socket);
    if (!taken) {
        kill(spare.pid, SIGKILL);
        fc_children_release(spare.pid, false);
    }
    fc_spare_close_channel(&spare);
    return taken ? 0 : -EAGAIN;
}

void fc_children_make_for(int socket)
{
    const int r = make(socket, socket);
    const struct fc_server_handover none = {.error = -r};
    if (r < 0)
        fc_rights_send(socket, &none, sizeof none, NULL, 0);
}

void fc_children_want(unsigned in_use)
{
    children.wanted = (size_t)in_use + children.spares;
}

void fc_children_ask(unsigned in_use)
{
    children.asked++;
    fc_children_want(in_use);
}

/* None can be made. Who has not asked pays no heed to it, and asks. */
static void tell_all(int error)
{
    struct fc_server_handover none;
    memset(&none, 0, sizeof none);
    none.error = error;
    for (; children.asked > 0; children.asked--)
        fc_rights_send(children.control, &none, sizeof none, NULL, 0);
    children.wanted = 0;
}

void fc_children_make_one(void)
{
    if (count_kept() >= children.wanted) {
        children.asked = 0; /* there is one for each of them in the socket */
        return;
    }
    const int r = make(children.control, -1);
    if (r < 0)
        tell_all(-r);
    else if (children.asked > 0)
        children.asked--;
}

void fc_children_forget(void)
{
    for (size_t i = 0; i < children.count; i++)
        if (children.list[i].status_socket >= 0)
            close(children.list[i].status_socket);
    children.count = 0;
}
