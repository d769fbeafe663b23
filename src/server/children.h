/* SERVER: its children: spares, and those that run a call. None is reaped before the host has no
 * more to do with it: so long its number is its own. */
#ifndef FC_SERVER_CHILDREN_H
#define FC_SERVER_CHILDREN_H

#include "child/prepare.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How long a child that was released may take to end, and all of them when the server ends. */
#define FC_CHILD_END_NS 1000000000U

/* control: where spares are handed over. copies: NULL, or the spares are exec'ed, each with this to
 * prepare. leave_in_child is called in each that is forked, with its socket (-1: none). */
void fc_children_open(int control, const struct fc_prepare *exec_with, unsigned spares, void (*leave_in_child)(int));

/* The host has taken so many spares since the beginning, modulo 2^32. An older count changes
 * nothing. */
void fc_children_taken(uint32_t taken);

/* Makes a spare, if there are fewer than there are to be. Where that fails it is tried again after
 * a while: nobody waits for it, so nobody is told. */
void fc_children_refill(void);
/* Something was given back: a refill that has failed may be tried at once. */
void fc_children_refill_soon(void);

/* Makes a child for the ASK of that number and hands it over through the socket, from which it
 * takes what it is to have besides where has_fds is set. 0, also where nobody takes it any more and
 * it is wanted as a spare. -EPIPE: nobody takes it, and it is ended. Or another negative errno:
 * there is none. */
int fc_children_make_for(int socket, uint32_t ask, bool has_fds);
/* How often a child was reaped: what had no room then may have it now. */
unsigned fc_children_reaped(void);
/* Some that were released have not ended yet, and will: they get a second. */
bool fc_children_are_ending(void);

/* The host has no more to do with it: it gets a second to end, and is reaped. */
void fc_children_release(pid_t pid, bool kill_group);
/* The same for the child that was made for this ASK, if one was. */
void fc_children_drop(uint32_t ask);

/* Tells through the socket, which is to be left alone from now on, how it has ended, once it
 * has. */
void fc_children_tell(pid_t pid, int socket);

/* A child may have ended. */
void fc_children_look(void);

/* When there is something to do: a spare to make, or a child to kill that does not end; UINT64_MAX:
 * there is nothing. */
uint64_t fc_children_next_ns(void);
void fc_children_kill_overdue(void);

void fc_children_kill_all(void);

/* In a child: they are not its own. */
void fc_children_forget(void);

#endif
