/* HOST: Starting a server: what happens before it serves. */
#ifndef FC_SERVER_LAUNCH_H
#define FC_SERVER_LAUNCH_H

#include "base/descriptors.h"
#include "base/time_limit.h"
#include "module/lookup.h"
#include "server/snapshot.h"
#include "wire/server_message.h"

#include <forkcall.h>

#include <stdatomic.h>

struct fc_server {
    /* FC_FD_SOCKET: the control socket; FC_FD_PROCESS: its pidfd, if there is such, once it is
     * ready. */
    struct fc_fds fds;
    atomic_uint refs;
    unsigned owner;  /* fc_fds_generation of the host */
    unsigned number; /* of this server; never 0 once others find it */
    struct fc_snapshot *snapshot;
    atomic_bool ready; /* it has said that it serves, or why not */
    int error;         /* a positive errno; from here on: set before ready */
    pid_t pid;
    char why[200];
    /* Answers and spares that calls have had; this and the next two under fc_fds_lock. */
    unsigned heard;
    uint64_t silent_ns;       /* how long calls have waited in vain since the last of them */
    uint64_t silent_until_ns; /* until when the time that they waited is counted in silent_ns */
    atomic_uint asks;         /* the number of the last ASK */
    /* Messages taken from the control socket; changed under fc_fds_lock. */
    atomic_uint taken;
    atomic_uint told;   /* how many of these the server was last told of */
    atomic_uint hoping; /* calls that wait for a spare, and have not asked */
    unsigned spares;
    atomic_bool hung; /* it was retired because it answers nobody */
    /* server/send_order.c: orders that found no room; changed under fc_fds_lock. */
    _Atomic(struct fc_owed *) owed;
};

/* Starts one that is not ready yet, with one reference. options NULL: those of the last time. 0;
 * -ETIMEDOUT; -EINTR: canceled; or another negative errno with why, a text that may be empty. */
int fc_server_start(const struct forkcall_server_options *options, const struct fc_time_limit *time_limit,
                    struct fc_server **server, char *why, size_t why_size);

/* Sends it a signal, while its control socket or its descriptor says that it lives, and so its
 * number is its own. */
void fc_server_signal(struct fc_server *server, int signal);

/* The host has closed what it had to do with the server, which then ends by itself; the numbers may
 * be the host's by now. */
bool fc_server_is_lost(const struct fc_server *server);

/* The server has ended, or has closed its control socket. */
bool fc_server_is_dead(const struct fc_server *server);

/* Closes what it has, and frees it: nobody refers to it any more. */
void fc_server_free(struct fc_server *server);

/* Reaps a child of the server's, which is gone, now or later, where it has become a child of this
 * one, which is PID 1 or a subreaper (prctl(2)). FC_FD_PROCESS of fds is its own; it may be taken.
 * fd_tells: as in struct fc_process. */
void fc_server_reap(const struct fc_server *server, pid_t pid, bool fd_tells, struct fc_fds *fds);

/* Writes what a server, or a spare that it execs, is to be; setup first, and only what it says that
 * there is. */
int fc_server_setup_send(int socket, const struct fc_server_setup *setup, const struct fc_module_function *prepare,
                         const void *args);

/* In range, and without a contradiction. */
bool fc_server_options_are_valid(const struct forkcall_server_options *options);

#endif
