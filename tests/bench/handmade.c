/* A small call by hand, with any of the steps of a careful program. */
#include "handmade.h"

#include "measure.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct wires {
    int reply[2];
    int go[2]; /* carries the go byte; its end of file means that the parent has died */
    int region;
    int pidfd;
};

bool read_whole(int fd, void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t got = read(fd, (char *)data + done, size - done);
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || errno != EINTR)
            return false;
    }
    return true;
}

bool write_whole(int fd, const void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t put = write(fd, (const char *)data + done, size - done);
        if (put >= 0)
            done += (size_t)put;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_wires(const struct wires *wires)
{
    close_if_open(wires->reply[0]);
    close_if_open(wires->reply[1]);
    close_if_open(wires->go[0]);
    close_if_open(wires->go[1]);
    close_if_open(wires->region);
    close_if_open(wires->pidfd);
}

static bool open_wires(struct wires *wires, unsigned steps)
{
    *wires = (struct wires){{-1, -1}, {-1, -1}, -1, -1};
    if (pipe2(wires->reply, O_CLOEXEC) != 0)
        return false;
    if ((steps & STEP_GO_BYTE) != 0 && pipe2(wires->go, O_CLOEXEC) != 0)
        return false;
    if ((steps & STEP_REGION) != 0) {
        wires->region = memfd_create("answer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (wires->region < 0)
            return false;
    }
    return true;
}

static void reset_handlers(void)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        struct sigaction now;
        if (sigaction(number, NULL, &now) == 0 && now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN)
            sigaction(number, &by_default, NULL);
    }
}

/* Does nothing if there is nothing to drop: writing to the stream would first copy its page. */
static void drop_unwritten(FILE *stream)
{
    if (__fpending(stream) > 0)
        __fpurge(stream);
}

/* The parent arms the lifeline after it has sent the go byte. If the pipe had an owner before, the
 * write itself would send the signal to it, possibly long after the child has read the byte and
 * gone on. */
static bool make_lifeline(int fd)
{
    return fcntl(fd, F_SETSIG, SIGKILL) == 0 && fcntl(fd, F_SETFL, O_ASYNC) == 0;
}

/* Waits until the parent has set the owner, which it does right after its write. False: the parent
 * has died before. */
static bool await_lifeline(int fd)
{
    struct pollfd parent = {.fd = fd, .events = POLLIN};
    const pid_t self = getpid();
    while (fcntl(fd, F_GETOWN) != self)
        if (poll(&parent, 1, 0) != 0 || sched_yield() != 0)
            return false;
    return poll(&parent, 1, 0) == 0;
}

#ifdef HAVE_ON_EXIT
/* Registered last, so that it runs before the parent's handlers. */
static void leave_at_once(int status, void *unused)
{
    (void)unused;
    _exit(status);
}
#endif

static bool guard_exit(void)
{
#ifdef HAVE_ON_EXIT
    return on_exit(leave_at_once, NULL) == 0;
#else
    return true;
#endif
}

static bool prepare_child(const struct wires *wires, unsigned steps, const sigset_t *mask)
{
    char go = 0;
    if ((steps & STEP_RESET) != 0)
        reset_handlers();
    if ((steps & STEP_CRASH_REPORT) != 0 && !handmade_catch_crashes(wires->reply[1]))
        return false;
    if ((steps & STEP_PURGE) != 0) {
        drop_unwritten(stdout);
        drop_unwritten(stderr);
    }
    if ((steps & STEP_EXIT_GUARD) != 0 && !guard_exit())
        return false;
    if ((steps & STEP_GO_BYTE) != 0 && (close(wires->go[1]) != 0 || !read_whole(wires->go[0], &go, 1)))
        return false;
    if ((steps & STEP_LIFELINE) != 0 && !await_lifeline(wires->go[0]))
        return false;
    return (steps & STEP_MASK) == 0 || pthread_sigmask(SIG_SETMASK, mask, NULL) == 0;
}

/* size: how many bytes the child fills in shared memory besides its answer. */
_Noreturn static void child_side(const struct wires *wires, unsigned steps, const sigset_t *mask, uint64_t question,
                                 size_t size)
{
    if (!prepare_child(wires, steps, mask) || (size > 0 && !handmade_fill_shared(wires->region, size, question)))
        _exit(1);
    const uint64_t answer = trivial_answer(question);
    _exit(write_whole(wires->reply[1], &answer, sizeof answer) ? 0 : 1);
}

static bool release_child(struct wires *wires, unsigned steps, pid_t child)
{
    if ((steps & STEP_PIDFD) != 0) {
        wires->pidfd = (int)syscall(SYS_pidfd_open, child, 0);
        if (wires->pidfd < 0)
            return false;
    }
    if ((steps & STEP_GROUP) != 0 && setpgid(child, child) != 0)
        return false;
    if ((steps & STEP_GO_BYTE) == 0)
        return true;
    const bool lifeline = (steps & STEP_LIFELINE) != 0;
    const bool released = (!lifeline || make_lifeline(wires->go[0])) && write_whole(wires->go[1], "g", 1) &&
                          (!lifeline || fcntl(wires->go[0], F_SETOWN, child) == 0);
    close(wires->go[0]);
    wires->go[0] = -1;
    return released;
}

static bool wait_readable(int reply, int pidfd)
{
    struct pollfd watched[] = {{.fd = reply, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    int ready = 0;
    do
        ready = poll(watched, 2, -1);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static bool ended_well(const struct wires *wires, pid_t child)
{
    if (wires->pidfd >= 0) {
        siginfo_t how = {.si_pid = 0};
        struct rusage usage;
        return wait_readable(-1, wires->pidfd) &&
               syscall(SYS_waitid, P_PIDFD, wires->pidfd, &how, WEXITED, &usage) == 0 && how.si_code == CLD_EXITED &&
               how.si_status == 0;
    }
    int how = 0;
    return waitpid(child, &how, 0) == child && WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

/* Forks with signals blocked, and restores the mask in child and parent. Returns 0 in both if fork
 * failed. */
static pid_t fork_child(const struct wires *wires, unsigned steps, uint64_t question, size_t size)
{
    sigset_t every;
    sigset_t mask;
    if ((steps & STEP_MASK) != 0) {
        sigfillset(&every);
        pthread_sigmask(SIG_SETMASK, &every, &mask);
    }
    const pid_t child = fork();
    if (child == 0)
        child_side(wires, steps, &mask, question, size);
    if ((steps & STEP_MASK) != 0)
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return child;
}

static int64_t call_by_hand(unsigned steps, size_t size)
{
    const uint64_t start = clock_ns();
    struct wires wires;
    uint64_t answer = 0;
    bool good = open_wires(&wires, steps);
    const pid_t child = good ? fork_child(&wires, steps, start, size) : -1;
    if (child > 0) {
        close(wires.reply[1]);
        wires.reply[1] = -1;
        good = release_child(&wires, steps, child) &&
               ((steps & STEP_PIDFD) == 0 || wait_readable(wires.reply[0], wires.pidfd)) &&
               read_whole(wires.reply[0], &answer, sizeof answer);
        if (!good)
            kill(child, SIGKILL); /* the child may wait for a go byte that never comes */
        good = ended_well(&wires, child) && good;
        good = good && (size == 0 || handmade_shared_is_right(wires.region, size, start));
    }
    close_wires(&wires);
    const int64_t elapsed = elapsed_since(start);
    return child > 0 && good && answer == trivial_answer(start) ? elapsed : RUN_FAILED;
}

int64_t handmade_call(unsigned steps)
{
    return call_by_hand(steps, 0);
}

int64_t handmade_careful_result(size_t size)
{
    return call_by_hand(STEPS_ALL, size);
}
