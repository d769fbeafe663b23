/* HOST, SERVER: The messages between host and server over the control socket. Each kind has a fixed
 * size, and is sent and received whole. */
#ifndef FC_WIRE_SERVER_MESSAGE_H
#define FC_WIRE_SERVER_MESSAGE_H

#include "module/lookup.h"
#include "os/credentials.h"

#include <stdbool.h>
#include <stdint.h>

/* Host to server, behind the hello, before the server is started. The name and the arguments of
 * prepare follow. */
struct fc_server_setup {
    uint32_t spares;
    bool exec_spares;
    bool has_prepare;
    bool has_prepare_args;
    uint32_t prepare_args_size;
    struct fc_credentials credentials; /* of the thread that starts the server */
};

/* What the server has, by its own report. */
struct fc_server_rights {
    struct fc_credentials credentials;
    int32_t session_keyring; /* 0: it has none of its own, or it cannot be found out */
};

/* Server to host: its first message. */
struct fc_server_ready {
    int32_t error; /* a positive errno; 0: it serves */
    int32_t pid;
    bool has_pidfd; /* the message carries the server's pidfd */
    char why[200];
    struct fc_server_rights has;
};

/* An order: what the host tells the server to do. docs/server-protocol.md explains why these are
 * enough. */
enum fc_server_order_kind {
    /* Make a child for a call. Carries a socket, through which the server answers once: with a
     * child, or with an error. */
    FC_ORDER_ASK = 1,
    /* Release this child: the host does not need it any more. */
    FC_ORDER_DONE = 2,
    /* Forget this ASK: its call does not wait any more. Nobody has taken the child that may have
     * been sent for it. */
    FC_ORDER_DROP = 3,
    /* Tell how this child ends. Carries a socket, through which the server sends the ending once it
     * knows it. */
    FC_ORDER_STATUS = 4,
    /* Let spares made from now on load a module before there is a call for it. Carries a socket in
     * which a struct fc_module_function lies that names a function of the module. Number 0: let
     * them load none. */
    FC_ORDER_LOAD = 5,
};

struct fc_server_order {
    uint32_t kind;
    /* DONE, STATUS: the child. ASK: a spare that the host gives back to make room; 0: none. */
    int32_t pid;
    uint32_t ask; /* ASK, DROP: the number of the ASK; never 0. LOAD: the module's number */
    /* In every order: how many messages with spares the host has taken from the control socket so
     * far, modulo 2^32. The number only grows, so the next order makes up for one that is late or
     * lost. */
    uint32_t taken;
    bool kill_group;
    bool has_fds; /* ASK: the socket holds the call's descriptors for the child */
};

/* Server to host: a child that waits for a request.
 *
 * Through the control socket come spares only, and each belongs to the thread that takes it.
 * Through the socket of an ASK comes the one answer to it. The message carries these descriptors in
 * this order: the request's writing and reading end; the reply's reading end; a pidfd and the
 * region, if the child has them. */
struct fc_server_handover {
    /* In an answer to an ASK, a positive errno: no child could be made; 0: there is a child. */
    int32_t error;
    int32_t pid;
    bool has_pidfd, has_region;
    bool execed; /* the child was exec'ed, and sends FC_FRAME_READY */
    /* The module that the spare loads before it sends FC_FRAME_READY, by the number of the order
     * LOAD; 0: none. */
    uint32_t module;
};
#define FC_HANDOVER_FDS 5

/* What EAGAIN of fork(2) means, in words of the person who sets limits. */
#define FC_NO_PROCESS                                                                                            \
    "no room for another process: a limit of processes is reached (RLIMIT_NPROC of this user, or pids.max of a " \
    "cgroup)"

#endif
