/* The host's side of SERVER: one server for this process, started when it is needed. */
#ifndef FC_SERVER_H
#define FC_SERVER_H

#include "call.h"
#include "snapshot.h"

struct fc_server;

/* How long to wait for what a server does. */
struct fc_patience {
    uint64_t deadline_ns;                /* UINT64_MAX: none */
    int cancel_fd;                       /* readable: no longer; -1: none */
    const atomic_bool *cancel_requested; /* NULL: none */
};

/* As long as the call's deadline, cancel_fd and forkcall_cancel let it, and for limit_ns at most (UINT64_MAX: no such limit). Whatever a call
 * waits for before its child runs is waited for so. */
struct fc_patience fc_patience_of(const struct forkcall_call *call, uint64_t limit_ns);

/* 0; -ETIMEDOUT or -EINTR: not any longer. */
int fc_patience_left(const struct fc_patience *patience);

/* A server that serves, with a reference; started, if need be. 0; -ETIMEDOUT; -EINTR: canceled; or another negative
 * errno with why, a text that may be empty. */
int fc_server_get(const struct fc_patience *patience, struct fc_server **server, char *why, size_t why_size);
void fc_server_unref(struct fc_server *server);

/* It gets no new calls. */
void fc_server_retire(struct fc_server *server);

/* The same for one that answers nobody. It goes on for the calls that have a child of it; once there are none it is killed. */
void fc_server_give_up(struct fc_server *server);

/* It serves no more. */
bool fc_server_is_dead(const struct fc_server *server);

/* ---- A call's child ------------------------------------------------------------------------------------------ */

/* Gives the call a child that waits for its request: call->server, process and fds. 0; -ETIMEDOUT;
 * -EINTR: canceled; or another negative errno with why, a text that may be empty. */
int fc_server_take(struct forkcall_call *call, char *why, size_t why_size);

/* Is what the server has what the calling thread has, which comes into now? */
enum fc_fit fc_server_fits(const struct forkcall_call *call, struct fc_credentials *now);
/* The call has no more to do with its child. kill_group: nor is anything that this has started to go on. */
void fc_server_give_back(struct forkcall_call *call, bool kill_group);

/* ---- How a call's child has ended, which it has -------------------------------------------------------------- */

/* Asks the server: it will tell through the descriptor that is entered as answer. 0; -EPIPE: it is gone; or another negative
 * errno: not now. Does not wait. */
int fc_server_ask_ending(const struct fc_process *process, struct fc_fds *fds, enum fc_fd answer);

/* What the descriptor tells. 1: ending is set; 0: nothing yet; -1: nobody tells. Does not wait. */
int fc_server_hear_ending(int fd, struct fc_ending *ending);

#endif
