/* The host's side of SERVER: one server for this process, started when it is needed. */
#ifndef FC_SERVER_H
#define FC_SERVER_H

#include "call.h"
#include "snapshot.h"

struct fc_server;

/* How long to wait for what a server does. */
struct fc_patience {
    uint64_t deadline_ns; /* UINT64_MAX: none */
    int cancel_fd;        /* readable: no longer; -1: none */
};

/* 0; -ETIMEDOUT or -EINTR: not any longer. */
int fc_patience_left(const struct fc_patience *patience);

/* A server that serves, with a reference; started, if need be. 0; -ETIMEDOUT; -EINTR: canceled; or another negative
 * errno with why, a text that may be empty. */
int fc_server_get(const struct fc_patience *patience, struct fc_server **server, char *why, size_t why_size);
void fc_server_unref(struct fc_server *server);

/* It gets no new calls. */
void fc_server_retire(struct fc_server *server);

/* For one that does not answer: it may have been stopped. Only where its number is surely its own. */
void fc_server_kill(struct fc_server *server);

/* It serves no more. */
bool fc_server_is_dead(const struct fc_server *server);

/* Polls a descriptor and, with it, the server's life. True: the descriptor has something. */
bool fc_server_await(const struct fc_server *server, int fd, int ms);

/* ---- A call's child ------------------------------------------------------------------------------------------ */

/* Gives the call a child that waits for its request: call->server, process and fds. 0; -ETIMEDOUT;
 * -EINTR: canceled; or another negative errno with why, a text that may be empty. */
int fc_server_take(struct forkcall_call *call, char *why, size_t why_size);

/* Is what the server has what the calling thread has, which comes into now? */
enum fc_fit fc_server_fits(const struct forkcall_call *call, struct fc_credentials *now);
/* The call has no more to do with its child. kill_group: nor is anything that this has started to go on. */
void fc_server_give_back(struct forkcall_call *call, bool kill_group);

/* How the call's child has ended, which it has. False: nobody tells. */
bool fc_server_ask(const struct fc_process *process, struct fc_ending *ending);

#endif
