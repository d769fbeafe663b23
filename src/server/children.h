/* SERVER: The server's children: spares, and children that run a call. A child is not reaped before
 * the host has released it, so its number stays its own. */
#ifndef FC_SERVER_CHILDREN_H
#define FC_SERVER_CHILDREN_H

#include "child/prepare.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How long a released child may take to end, and all children when the server ends. */
#define FC_CHILD_END_NS 1000000000U

/* Begins without a child. control: the socket through which spares are sent. exec_with: NULL:
 * spares are forked; else they are exec'ed, and each prepares itself with this. leave_in_child is
 * called in each forked child, with the child's own socket (-1: none). */
void fc_children_open(int control, const struct fc_prepare *exec_with, unsigned spares, void (*leave_in_child)(int));

/* Notes how many spares the host has taken since the beginning, modulo 2^32. An older number
 * changes nothing. */
void fc_children_note_taken(uint32_t taken);

/* Makes a spare, if there are fewer than the host wants. A failure is not reported, because nobody
 * waits for a spare. The next try comes after a while. */
void fc_children_refill(void);
/* Lets the next refill come at once even if the last one has failed, because a child was released
 * since. */
void fc_children_refill_soon(void);

/* Spares made from now on, and children for an ASK without descriptors, load a module, whose name
 * the socket holds, and are handed over with that number. No spare does if the number is 0, if the
 * server has the module itself, or if spares are exec'ed. */
void fc_children_load_early(uint32_t number, int socket);

/* Makes a child for the ASK of that number and sends it through the socket. has_fds: the child also
 * takes the call's descriptors from the socket.
 *
 * Returns 0, also if the call has given up and the child became a spare; -EPIPE: the call has given
 * up, and the child is ended; or another negative errno: no child could be made. */
int fc_children_make_for(int socket, uint32_t ask, bool has_fds);
/* How many children were reaped. If the number has changed, there may be room now for what had
 * none. */
unsigned fc_children_reaped(void);
/* Some released children have not ended yet. They end within a second, or are killed. */
bool fc_children_are_ending(void);

/* The host does not need the child any more. The child gets a second to end, and is reaped.
 * kill_group: its process group is killed then. */
void fc_children_release(pid_t pid, bool kill_group);
/* The same for the child that was made for this ASK, if there is one. */
void fc_children_drop(uint32_t ask);

/* Sends through the socket how the child has ended, once it has ended. Takes over the socket. */
void fc_children_send_ending(pid_t pid, int socket);

/* Looks which children have ended. Called after SIGCHLD. */
void fc_children_find_ended(void);

/* When there is something to do: a spare to make, or a child to kill that does not end; UINT64_MAX:
 * never. */
uint64_t fc_children_next_ns(void);
void fc_children_kill_overdue(void);

void fc_children_kill_all(void);

/* For a child that was just forked: forgets the server's children, which are not its own. */
void fc_children_forget(void);

#endif
