/* SERVER: The server's own state: its host, the pipe that its SIGCHLD handler writes to, and the
 * pipe that ends with it. */
#ifndef FC_SERVER_SERVER_STATE_H
#define FC_SERVER_SERVER_STATE_H

#include <stdbool.h>
#include <sys/types.h>

void fc_server_state_note_host(pid_t host);

/* The host has become the server's parent, because it is PID 1 or a subreaper. It would also get
 * the orphans that functions leave. */
bool fc_server_state_is_child_of_host(void);

/* Installs a handler that makes a pipe readable at SIGCHLD, so that poll(2) sees the signal. Opens
 * the lifeline, too. 0 or a negative errno. */
int fc_sigchld_pipe_open(void);
int fc_sigchld_pipe_fd(void);
void fc_sigchld_pipe_drain(void);

/* The reading end of the pipe that ends with the server, for fc_lifeline_open. -1: none. */
int fc_server_state_lifeline(void);

/* For a child that the server has just forked: gives up the handler and the pipes, which are the
 * server's. */
void fc_server_state_leave(void);

#endif
