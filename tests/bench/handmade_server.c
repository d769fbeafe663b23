/* Calls by hand to processes that were started before. */
#include "handmade_server.h"

#include "handmade.h"
#include "measure.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Makes a helper end with the process that measures. */
static void end_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(1);
}

/* ---- Ping-pong ------------------------------------------------------------------------------- */

static int ping[2], pong[2];

_Noreturn static void play(void)
{
    uint64_t question = 0;
    while (read_whole(ping[0], &question, sizeof question)) {
        const uint64_t answer = trivial_answer(question);
        if (!write_whole(pong[1], &answer, sizeof answer))
            break;
    }
    _exit(0);
}

bool handmade_ping_start(void)
{
    const pid_t self = getpid();
    if (pipe2(ping, O_CLOEXEC) != 0 || pipe2(pong, O_CLOEXEC) != 0)
        return false;
    const pid_t peer = fork();
    if (peer == 0) {
        end_with(self);
        play();
    }
    return peer > 0;
}

int64_t handmade_ping(void *unused)
{
    (void)unused;
    const uint64_t start = clock_ns();
    uint64_t answer = 0;
    if (!write_whole(ping[1], &start, sizeof start) || !read_whole(pong[0], &answer, sizeof answer))
        return RUN_FAILED;
    const int64_t elapsed = elapsed_since(start);
    return answer == trivial_answer(start) ? elapsed : RUN_FAILED;
}

/* ---- Spares ---------------------------------------------------------------------------------- */

enum { SPARE_FDS = 2 };

/* From the server a message for each spare, to the server a message for each finished call. */
static int control;

union rights {
    struct cmsghdr header;
    char space[CMSG_SPACE(SPARE_FDS * sizeof(int))];
};

static struct msghdr make_message(struct iovec *part, union rights *rights)
{
    return (struct msghdr){
        .msg_iov = part, .msg_iovlen = 1, .msg_control = rights, .msg_controllen = sizeof rights->space};
}

static bool send_spare(int request, int reply)
{
    const int fds[SPARE_FDS] = {request, reply};
    char byte = 's';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union rights rights = {.space = {0}};
    const struct msghdr message = make_message(&part, &rights);
    struct cmsghdr *const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(header), fds, sizeof fds);
    return sendmsg(control, &message, MSG_NOSIGNAL) == 1;
}

/* Waits for a spare. */
static bool take_spare(int *request, int *reply)
{
    int fds[SPARE_FDS];
    char byte = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union rights rights;
    struct msghdr message = make_message(&part, &rights);
    ssize_t got = 0;
    do
        got = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    const struct cmsghdr *const header = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header == NULL || header->cmsg_len != CMSG_LEN(sizeof fds))
        return false;
    memcpy(fds, CMSG_DATA(header), sizeof fds);
    *request = fds[0];
    *reply = fds[1];
    return true;
}

/* A server that is not eager lets the caller go on: on the same core, a SCHED_BATCH process that
 * is woken does not preempt the one that has woken it. */
static void be_eager(bool eager)
{
    const struct sched_param none = {.sched_priority = 0};
    sched_setscheduler(0, eager ? SCHED_OTHER : SCHED_BATCH, &none);
}

/* Writes and computes once in vain before it waits: the memory that a call touches first after a
 * fork would cost it page faults. */
_Noreturn static void run_spare(int request, int reply)
{
    uint64_t question = 1;
    uint64_t answer = trivial_answer(question);
    if (write(reply, &answer, 0) == 0 && read_whole(request, &question, sizeof question)) {
        answer = trivial_answer(question);
        write_whole(reply, &answer, sizeof answer);
    }
    _exit(0);
}

static void make_spare(void)
{
    int request[2];
    int reply[2];
    const pid_t server = getpid();
    if (pipe2(request, O_CLOEXEC) != 0 || pipe2(reply, O_CLOEXEC) != 0)
        _exit(1);
    const pid_t spare = fork();
    if (spare == 0) {
        end_with(server);
        be_eager(true);
        close(control);
        close(request[1]);
        close(reply[0]);
        run_spare(request[0], reply[1]);
    }
    if (spare < 0 || !send_spare(request[1], reply[0]))
        _exit(1);
    close(request[0]);
    close(request[1]);
    close(reply[0]);
    close(reply[1]);
}

_Noreturn static void serve(unsigned spares)
{
    char byte = 0;
    be_eager(false);
    while (spares-- > 0)
        make_spare();
    while (recv(control, &byte, 1, 0) == 1) {
        make_spare();
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
    _exit(0);
}

bool handmade_spares_start(unsigned spares)
{
    const pid_t self = getpid();
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    const pid_t server = fork();
    control = ends[server == 0];
    close(ends[server != 0]);
    if (server == 0) {
        end_with(self);
        serve(spares);
    }
    return server > 0;
}

int64_t handmade_spares_call(void *unused)
{
    (void)unused;
    const uint64_t start = clock_ns();
    uint64_t answer = 0;
    int request = -1;
    int reply = -1;
    if (!take_spare(&request, &reply))
        return RUN_FAILED;
    const bool good = write_whole(request, &start, sizeof start) && read_whole(reply, &answer, sizeof answer) &&
                      send(control, "d", 1, MSG_NOSIGNAL) == 1;
    close(request);
    close(reply);
    const int64_t elapsed = elapsed_since(start);
    return good && answer == trivial_answer(start) ? elapsed : RUN_FAILED;
}
