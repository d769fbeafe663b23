/* The server process: makes children ahead, and looks after them. */
#ifndef FC_SERVE_H
#define FC_SERVE_H

#include <stdbool.h>

/* In a copy that is to be the server; never returns. */
_Noreturn void fc_serve(int control);

/* In a copy that a server made as a spare; never returns. */
_Noreturn void fc_serve_as_spare(int socket);

/* The server's parent has gone, and the host is the one that orphans are given to. */
bool fc_serve_is_child_of_host(void);

/* In a child that the server forks: what is the server's is not its own. */
void fc_serve_leave(void);

/* The end of a pipe that is for its children: see fc_lifeline_join. -1: none. */
int fc_serve_lifeline(void);

#endif
