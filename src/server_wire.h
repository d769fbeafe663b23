/* What host and server say to each other over the control socket. All messages have a fixed size: they are sent and taken
 * whole. */
#ifndef FC_SERVER_WIRE_H
#define FC_SERVER_WIRE_H

#include "module.h"
#include "snapshot.h"

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

/* Server to host, first: its own pidfd comes along, where such can be passed. */
struct fc_server_ready {
    int32_t error; /* a positive errno; 0: it serves */
    int32_t pid;
    char why[200];
    struct fc_holder has;
};

enum fc_server_order_kind {
    /* A call waits for a spare. Where a socket comes along, one is made that takes what lies in it, and is handed over
     * through it. */
    FC_ORDER_SPARE = 1,
    FC_ORDER_DONE = 2,   /* the host has no more to do with this child */
    FC_ORDER_STATUS = 3, /* a socket comes along: how this child has ended is told through it, once it has */
};

struct fc_server_order {
    uint32_t kind;
    int32_t pid;
    uint32_t in_use; /* calls of the host that have a child now, or wait for one */
    bool kill_group;
};

/* Server to host: a child that waits for a request. Its descriptors come along in this order: the request's writing and
 * reading end, the reply's reading end; a pidfd and the region, if it has them. */
struct fc_server_handover {
    int32_t error; /* a positive errno: there is none */
    int32_t pid;
    bool has_pidfd, has_region;
    bool is_copy; /* exec'ed: it says when it is ready */
};
#define FC_HANDOVER_FDS 5

#endif
