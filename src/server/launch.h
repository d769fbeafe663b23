/* HOST: What the host has of a server, from its start to its end. */
#ifndef FC_SERVER_LAUNCH_H
#define FC_SERVER_LAUNCH_H

#include "base/descriptors.h"
#include "base/time_limit.h"
#include "module/lookup.h"
#include "server/snapshot.h"
#include "wire/server_message.h"

#include <forkcall.h>

#include <stdatomic.h>

/* Which module calls were for lately: server/early_module.c. Protected by fc_fds_lock, but for
 * is_on, which never changes once the server has started. */
struct fc_early {
    struct fc_module_function *function; /* of the last call; NULL: there was none */
    uint32_t number;                     /* of its module */
    uint32_t told;                       /* the module that spares load; 0: none */
    bool is_telling;                     /* a thread tells the server of another, or of none */
    unsigned in_row;                     /* how many calls for it have followed each other */
    unsigned more;                       /* how many more in a row are needed than at first */
    unsigned plain;                      /* how many spares that load nothing may still come */
    bool is_on;                          /* false: nothing else here is used */
};

struct fc_server {
    /* FC_FD_SOCKET is the control socket. FC_FD_PROCESS is a pidfd of the server, where the system
     * has pidfds, once the server is ready. */
    struct fc_fds fds;
    atomic_uint refs;
    unsigned owner; /* fc_fds_generation() in the process that started the server */
    /* Numbers the servers of this process. Not 0 once other threads can find the server. */
    unsigned number;
    struct fc_snapshot *snapshot;
    /* The server's first message has come: it serves, or it says why it cannot. The next three are
     * set before this one. */
    atomic_bool ready;
    int error; /* a positive errno: why the server cannot serve; 0: it serves */
    pid_t pid;
    char why[200];
    /* How many answers and spares calls have got. This field and the next two are protected by
     * fc_fds_lock. */
    unsigned answers;
    /* How long calls have waited in vain since the last answer or spare. */
    uint64_t silent_ns;
    uint64_t silent_until_ns; /* Until when the time that calls waited is counted in silent_ns. */
    atomic_uint asks;         /* the number of the last ASK */
    /* How many messages with spares the host has taken from the control socket. Changed under
     * fc_fds_lock. */
    atomic_uint taken;
    atomic_uint taken_sent;        /* the value of taken that was last sent to the server */
    atomic_uint waiting_for_spare; /* calls that wait for a spare and have not sent an ASK */
    unsigned spares;
    bool is_helper;      /* it is forkcall-helper, which has nothing of the program */
    bool fixed_identity; /* the program has promised never to change what the snapshot holds */
    /* As struct forkcall_server_options has them; 0: the default. */
    uint32_t calls_per_child;
    uint64_t child_memory_bytes;
    /* Children that wait for another call: server/kept_children.c. This field and the next two are
     * protected by fc_fds_lock. */
    struct fc_kept *kept;
    unsigned kept_count;
    bool retired;     /* it is not the current one any more, and keeps no child */
    atomic_bool hung; /* it was retired because it answers nobody, and must be killed */
    /* Orders for which the control socket had no room. Changed under fc_fds_lock by
     * server/send_order.c. */
    _Atomic(struct fc_owed *) owed;
    struct fc_early early;
};

/* Starts a server and returns it with one reference. The server is not ready yet. options NULL:
 * those of the last start.
 *
 * Returns 0; -ETIMEDOUT; -EINTR if the caller cancels; or another negative errno with why, a text
 * that may be empty. One thread at a time. */
int fc_server_start(const struct forkcall_server_options *options, const struct fc_time_limit *time_limit,
                    struct fc_server **server, char *why, size_t why_size);

/* Sends the server a signal. Does nothing once the server is dead, because another process may have
 * its number. */
void fc_server_signal(struct fc_server *server, int signal);

/* The host has closed the control socket or the pidfd, as a daemon does that closes every
 * descriptor. The server then ends by itself. Another file of the host may have the number by
 * now. */
bool fc_server_is_lost(const struct fc_server *server);

/* The server has ended, or has closed its control socket, or is lost to the host. */
bool fc_server_is_dead(const struct fc_server *server);

/* Ends the server, closes the host's descriptors of it, and frees it. Nobody may refer to it any
 * more. */
void fc_server_free(struct fc_server *server);

/* Reaps a child of a dead server, now or later, if this process has become its parent: it is PID 1
 * or a subreaper (prctl(2)). fds: holds the child's pidfd as FC_FD_PROCESS, which is taken out if
 * it is needed longer. fd_is_socket: as in struct fc_process. */
void fc_server_reap(const struct fc_server *server, pid_t pid, bool fd_is_socket, struct fc_fds *fds);

/* Writes to a re-executed program's socket what it needs as a server, or as a server's child:
 * setup; then prepare and args, if setup says that there are such. Returns 0 or a negative
 * errno. */
int fc_server_setup_send(int socket, const struct fc_server_setup *setup, const struct fc_module_function *prepare,
                         const void *args);

/* The options are in range and do not contradict each other. */
bool fc_server_options_are_valid(const struct forkcall_server_options *options);

#endif
