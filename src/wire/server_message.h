/* HOST, SERVER: What host and server say to each other over the control socket. All messages have a
 * fixed size: they are sent and taken whole. */
#ifndef FC_WIRE_SERVER_MESSAGE_H
#define FC_WIRE_SERVER_MESSAGE_H

#include "module/lookup.h"
#include "os/credentials.h"

#include <stdbool.h>
#include <stdint.h>

/* Host to server, before it is started, behind the hello: prepare's name and arguments follow. */
struct fc_server_setup {
    uint32_t spares;
    bool exec_spares;
    bool has_prepare;
    bool has_prepare_args;
    uint32_t prepare_args_size;
    struct fc_credentials credentials; /* of the thread that starts it */
};

/* What the server itself says that it has. */
struct fc_server_rights {
    struct fc_credentials credentials;
    int32_t session_keyring; /* 0: none of its own, or not to be known */
};

/* Server to host, first. */
struct fc_server_ready {
    int32_t error; /* a positive errno; 0: it serves */
    int32_t pid;
    bool has_pidfd; /* its own comes along */
    char why[200];
    struct fc_server_rights has;
};

/* What the host says: docs/server-protocol.md tells why these are enough. */
enum fc_server_order_kind {
    /* A socket comes along. The server answers through it, once: with a child, or with an error. */
    FC_ORDER_ASK = 1,
    /* The host has no more to do with this child. */
    FC_ORDER_DONE = 2,
    /* The call that has asked waits no more. A child that was handed over for it has been taken by
     * nobody. */
    FC_ORDER_DROP = 3,
    /* A socket comes along. The server tells through it how this child has ended, once it has. */
    FC_ORDER_STATUS = 4,
};

struct fc_server_order {
    uint32_t kind;
    /* DONE, STATUS: the child. ASK: a spare that the host gives back to make room; 0: none. */
    int32_t pid;
    uint32_t ask; /* ASK, DROP: the number of the ASK; never 0 */
    /* In every order: how many messages with spares the host has taken from the control socket so
     * far, modulo 2^32. It only grows, so an order that is late or lost is made good by the
     * next. */
    uint32_t taken;
    bool kill_group;
    bool has_fds; /* ASK: the socket holds what the child is to have besides */
};

/* Server to host: a child that waits for a request. Through the control socket come spares only,
 * and each is whoever's takes it; through the socket of an ASK comes the one answer to it. The
 * descriptors come along in this order: the request's writing and reading end, the reply's reading
 * end; a pidfd and the region, if it has them. */
struct fc_server_handover {
    int32_t error; /* answer to an ASK, a positive errno: no child could be made; 0: there is one */
    int32_t pid;
    bool has_pidfd, has_region;
    bool execed; /* exec'ed: it says when it is ready */
};
#define FC_HANDOVER_FDS 5

/* What EAGAIN of fork(2) means, in the words of who sets limits. */
#define FC_NO_PROCESS                                                                                            \
    "no room for another process: a limit of processes is reached (RLIMIT_NPROC of this user, or pids.max of a " \
    "cgroup)"

#endif
