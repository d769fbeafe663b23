/* SERVER: what a server knows of itself: whose child it is, that a child of its own has ended, and
 * the pipe that ends with it. */
#ifndef FC_SERVER_SERVER_STATE_H
#define FC_SERVER_SERVER_STATE_H

#include <stdbool.h>
#include <sys/types.h>

void fc_server_state_note_host(pid_t host);

/* The server's parent has gone, and the host is the one that orphans are given to. */
bool fc_server_state_is_child_of_host(void);

/* SIGCHLD makes a pipe readable from now on, so that poll(2) sees the signal. 0 or a negative
 * errno. */
int fc_sigchld_pipe_open(void);
int fc_sigchld_pipe_fd(void);
void fc_sigchld_pipe_drain(void);

/* The end of a pipe that is for the server's children: see fc_lifeline_join. -1: none. */
int fc_server_state_lifeline(void);

/* In a child that the server forks: none of these is its own. */
void fc_server_state_leave(void);

#endif
