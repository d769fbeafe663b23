/* The server's children: spares, and those that run a call. None is reaped before the host has no more to do with it: so long
 * its number is its own. */
#ifndef FC_SERVER_CHILDREN_H
#define FC_SERVER_CHILDREN_H

#include "prepare.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* control: where spares are handed over. copies: NULL, or the spares are exec'ed, each with this to prepare. */
void fc_children_open(int control, const struct fc_prepare *copies, unsigned spares);

/* So many calls have a child or wait for one: there are to be as many children, and the spares. */
void fc_children_want(unsigned in_use);
/* The same, and one more call waits: where no child can be made, it is told. */
void fc_children_ask(unsigned in_use);
/* Makes one child, if there are not as many as are wanted. */
void fc_children_make_one(void);

/* Makes one that takes what lies in the socket, and hands it over through that. */
void fc_children_make_for(int socket);

/* The host has no more to do with it: it gets a second to end, and is reaped. */
void fc_children_release(pid_t pid, bool kill_group);

/* Tells through the socket, which is to be left alone from now on, how it has ended, once it has. */
void fc_children_tell(pid_t pid, int socket);

/* A child may have ended. */
void fc_children_look(void);

/* Until there is something to do: a child to make, or the first of those that were released and do not end is to be killed; -1: there is none. */
int fc_children_timeout_ms(void);
void fc_children_kill_overdue(void);

void fc_children_kill_all(void);

/* In a child: they are not its own. */
void fc_children_forget(void);

#endif
