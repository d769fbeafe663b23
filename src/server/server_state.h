/* SERVER: The server's own state: its host, the descriptor that tells of SIGCHLD, and the pipe that
 * ends with the server. */
#ifndef FC_SERVER_SERVER_STATE_H
#define FC_SERVER_SERVER_STATE_H

#include <stdbool.h>
#include <sys/types.h>

void fc_server_state_note_host(pid_t host);

/* The host has become the server's parent, because it is PID 1 or a subreaper. It would also get
 * the orphans that functions leave. */
bool fc_server_state_is_child_of_host(void);

/* Makes a descriptor readable at SIGCHLD, so that poll(2) sees the signal. Opens the lifeline, too.
 * 0 or a negative errno. */
int fc_sigchld_open(void);
int fc_sigchld_fd(void);
/* Makes it unreadable until the next SIGCHLD. */
void fc_sigchld_drain(void);

/* The reading end of the pipe that ends with the server, for fc_lifeline_open. -1: none. */
int fc_server_state_lifeline(void);

/* For a child that the server has just forked: gives up the handler and the descriptors, which are
 * the server's, and two more of the server's (-1: none). SIGCHLD may stay blocked until the
 * function is called. */
void fc_server_state_leave(int control, int host);

#endif
