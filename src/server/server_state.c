/* SERVER: The server's own state: its host, the pipe that its SIGCHLD handler writes to, and the
 * pipe that ends with it. */
#include "server/server_state.h"

#include "base/io.h"
#include "base/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

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

static int sigchld_pipe[2] = {-1, -1}; /* on_child writes to it, so that poll(2) sees the signal */

static void on_child(int signal)
{
    const int error = errno;
    (void)signal;
    if (write(sigchld_pipe[1], "c", 1) < 0) {
        /* The pipe is full, so it is readable already. */
    }
    errno = error;
}

static int lifeline[2] = {-1, -1}; /* nobody writes to it; its end is the end of this process */

int fc_server_state_lifeline(void)
{
    return lifeline[0];
}

int fc_sigchld_pipe_open(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_child;
    action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
    int r = fc_pipe(sigchld_pipe);
    if (r == 0)
        r = fc_pipe(lifeline);
    if (r < 0)
        return r;
    /* Both ends are non-blocking. A server that waited in the handler or while it drains the pipe
     * would outlive its host. */
    for (int i = 0; i < 2; i++)
        if (fcntl(sigchld_pipe[i], F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    sigset_t none; /* a constructor, or prepare, may have blocked signals */
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    return sigaction(SIGCHLD, &action, NULL) < 0 ? -errno : 0;
}

void fc_sigchld_pipe_drain(void)
{
    char rung[64];
    while (fc_read(sigchld_pipe[0], rung, sizeof rung) > 0) {
    }
}

int fc_sigchld_pipe_fd(void)
{
    return sigchld_pipe[0];
}

/* ---- In a child ------------------------------------------------------------------------------ */

void fc_server_state_leave(void)
{
    signal(SIGCHLD, SIG_DFL);
    close(sigchld_pipe[0]);
    close(sigchld_pipe[1]);
    close(lifeline[0]);
    close(lifeline[1]);
}
