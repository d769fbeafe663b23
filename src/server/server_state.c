/* SERVER: The server's own state: its host, the descriptor that tells of SIGCHLD, and the pipe that
 * ends with the server. */
#include "server/server_state.h"

#include "base/close_list.h"
#include "base/io.h"
#include "base/pipe.h"
#include "config.h"
#include "os/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_SIGNALFD
#include <sys/signalfd.h>
#endif

static pid_t host_pid;

void fc_server_state_note_host(pid_t host)
{
    host_pid = host;
}

bool fc_server_state_is_child_of_host(void)
{
    return getppid() == host_pid;
}

/* ---- SIGCHLD --------------------------------------------------------------------------------- */

static int lifeline[2] = {-1, -1}; /* nobody writes to it; its end is the end of this process */

int fc_server_state_lifeline(void)
{
    return lifeline[0];
}

/* What poll(2) sees at SIGCHLD: a signalfd, or a pipe to which a handler writes. */
static int sigchld_fd = -1;
static int sigchld_write_fd = -1; /* -1: there is a signalfd, and no handler */

static void on_child(int signal)
{
    const int error = errno;
    (void)signal;
    if (write(sigchld_write_fd, "c", 1) < 0) {
        /* The pipe is full, so it is readable already. */
    }
    errno = error;
}

#ifdef HAVE_SIGNALFD

/* A signal that is blocked costs this process no handler, and its children no system call to take
 * the handler back. Another thread, which prepare may have started, does not block the signal and
 * would take it: its default action is to do nothing. So this is for one thread alone. */
static int open_signalfd(void)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (fc_has_other_threads())
        return -ENOTSUP;
    const int fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd >= 0)
        pthread_sigmask(SIG_BLOCK, &child, NULL);
    return fd < 0 ? -errno : fd;
}

#else

static int open_signalfd(void)
{
    return -ENOSYS;
}

#endif

static int open_pipe_of_handler(void)
{
    struct sigaction action;
    int ends[2];
    memset(&action, 0, sizeof action);
    action.sa_handler = on_child;
    action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
    const int r = fc_pipe(ends);
    if (r < 0)
        return r;
    sigchld_fd = ends[0];
    sigchld_write_fd = ends[1];
    /* Both ends are non-blocking. A server that waited in the handler or while it drains the pipe
     * would outlive its host. */
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    return sigaction(SIGCHLD, &action, NULL) < 0 ? -errno : 0;
}

int fc_sigchld_open(void)
{
    const int r = fc_pipe(lifeline);
    if (r < 0)
        return r;
    sigset_t none; /* a constructor, or prepare, may have blocked signals */
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    sigchld_fd = open_signalfd();
    return sigchld_fd < 0 ? open_pipe_of_handler() : 0;
}

/* One read is enough: a signalfd holds one SIGCHLD at most, and what is left in the pipe only makes
 * the server look once more. */
void fc_sigchld_drain(void)
{
    char rung[128]; /* struct signalfd_siginfo */
    if (fc_read(sigchld_fd, rung, sizeof rung) < 0) {
        /* It was empty. */
    }
}

int fc_sigchld_fd(void)
{
    return sigchld_fd;
}

/* ---- In a child ------------------------------------------------------------------------------ */

void fc_server_state_leave(int control, int host)
{
    int fds[] = {control, host, sigchld_fd, sigchld_write_fd, lifeline[0], lifeline[1]};
    if (sigchld_write_fd >= 0)
        signal(SIGCHLD, SIG_DFL);
    fc_close_list(fds, sizeof fds / sizeof *fds);
}
