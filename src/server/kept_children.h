/* HOST: The children of a server that have served a call which left them fit for another
 * (options.reuse_child), and wait for the next such call. The child used last is used first. */
#ifndef FC_SERVER_KEPT_CHILDREN_H
#define FC_SERVER_KEPT_CHILDREN_H

#include "call/call.h"
#include "server/launch.h"

/* The calls of a child, where the options do not say how many. */
#define FC_CALLS_PER_CHILD 1000U

/* True: the call allows that its child is used again, and nothing that the child was given for this
 * call speaks against it. */
bool fc_kept_is_allowed(const struct forkcall_call *call);

/* Takes the child used last out of the list, so that no other call gets it; NULL: there is none.
 * Thread-safe. */
struct fc_kept *fc_kept_reserve(struct fc_server *server);

/* Puts such a child into the list again. Thread-safe. */
void fc_kept_put_back(struct fc_server *server, struct fc_kept *kept);

/* Gives the call, which has the server, that child or another kept one, which lives and has said
 * that it is fit. False: there is none. Thread-safe. */
bool fc_kept_take(struct forkcall_call *call, struct fc_kept *reserved);

/* Keeps the child of a call that has ended: takes over its descriptors. False: it must not be kept,
 * and nothing has changed. Thread-safe. */
bool fc_kept_put(struct forkcall_call *call);

/* Ends all kept children of the server, because it is retired or their room is needed. True: there
 * were some. Thread-safe. */
bool fc_kept_end_all(struct fc_server *server);

/* Frees what a process has of its parent's kept children, whose descriptors were closed at the
 * fork. */
void fc_kept_forget(struct fc_server *server);

#endif
