/* Starting a server: what happens before it serves. */
#ifndef FC_SERVER_START_H
#define FC_SERVER_START_H

#include "fds.h"
#include "module.h"
#include "server.h"
#include "server_wire.h"
#include "snapshot.h"

#include <forkcall.h>

#include <stdatomic.h>

struct fc_server {
    /* FC_FD_HELLO: the control socket; FC_FD_PROCESS: its pidfd, if there is such, once it is ready. */
    struct fc_fds fds;
    atomic_uint refs;
    unsigned owner; /* fc_fds_generation of the host */
    struct fc_snapshot *snapshot;
    atomic_bool ready; /* it has said that it serves, or why not */
    int error;         /* a positive errno; from here on: set before ready */
    pid_t pid;
    char why[200];
    atomic_uint_fast64_t silent_since_ns; /* calls have waited in vain since then; 0: none has */
    atomic_uint in_use, waiting;          /* calls that have a child of it; that wait for one */
};

/* Starts one that is not ready yet, with one reference. options NULL: those of the last time. 0; -ETIMEDOUT;
 * -EINTR: canceled; or another negative errno with why, a text that may be empty. */
int fc_server_start(const struct forkcall_server_options *options, const struct fc_patience *patience,
                    struct fc_server **server, char *why, size_t why_size);

/* Closes what it has, and frees it: nobody refers to it any more. */
void fc_server_free(struct fc_server *server);

/* Writes what a server, or a spare that it execs, is to be; setup first, and only what it says that there is. */
int fc_server_setup_send(int socket, const struct fc_server_setup *setup, const struct fc_module_function *prepare,
                         const void *args);

/* In range, and without a contradiction. */
bool fc_server_options_are_valid(const struct forkcall_server_options *options);

#endif
