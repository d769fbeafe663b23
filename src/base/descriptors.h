/* ANY: The descriptors of a call or of a server.
 *
 * Every descriptor that the library opens stands in such a table, and all tables of the process
 * form a list. At a fork by any thread, the library's or the host's, the child closes what is not
 * its own. Otherwise concurrent children would hold each other's channels, write into them, and
 * keep each other's lifelines open when the host dies.
 *
 * A number is the library's only as long as nobody else closes it. A daemon closes every
 * descriptor that it finds (closefrom(3)), and the next file that it opens gets the number. So
 * the table remembers what each number stands for. A thread that comes back from the host's code
 * looks before it uses a number again, and drops, without closing it, a number that stands for
 * something else. */
#ifndef FC_BASE_DESCRIPTORS_H
#define FC_BASE_DESCRIPTORS_H

#include "base/fd_identity.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

enum fc_fd {
    /* The host's ends. */
    FC_FD_REPLY,
    FC_FD_GO,
    FC_FD_PROCESS,
    FC_FD_OUT,
    FC_FD_ERR,
    FC_FD_WAKE, /* call/wakeup.h: wakes a waiting thread */
    FC_FD_WAKE_WRITE,
    FC_FD_LOOP,
    FC_FD_TIMER, /* call/wakeup.h: wakes an event loop at a deadline */
    /* A socket pair, while a program is re-executed or an ASK waits: this process's end and the
     * other process's. In a server's table FC_FD_SOCKET is the control socket. */
    FC_FD_SOCKET,
    FC_FD_PEER_SOCKET,
    FC_FD_ARGS,   /* base/shared_args.h */
    FC_FD_STATUS, /* a socket through which the server will tell how the call's child has ended */
    FC_FD_CALLER_COUNT,
    /* The child's ends. */
    FC_FD_CHILD_REPLY = FC_FD_CALLER_COUNT,
    FC_FD_CHILD_GO,
    FC_FD_CHILD_OUT,
    FC_FD_CHILD_ERR,
    FC_FD_CHILD_LIFELINE,
    FC_FD_CHILD_STATUS, /* child/fitness.h: files of /proc */
    FC_FD_CHILD_LIST,
    FC_FD_REGION, /* host and child both use it */
    FC_FD_COUNT
};

struct fc_fds {
    int fd[FC_FD_COUNT]; /* -1: none */
    /* The owner has not run the host's code since it last looked, so the numbers need no check. */
    bool fresh;
    bool listed;  /* written by the owner */
    bool forking; /* forker is forking the child that this table is for */
    /* What each number stands for. Filled in by fc_fds_remember. */
    struct fc_fd_identity mark[FC_FD_COUNT];
    /* Other threads may write these, under the lock. */
    struct fc_fds *next, **link;
    pthread_t forker;
};

/* An empty table that is in no list: closing all of it does nothing. */
void fc_fds_init(struct fc_fds *fds);

/* Puts an empty table into the list. 0, or -ENOMEM: the fork handlers could not be registered. */
int fc_fds_open(struct fc_fds *fds);

/* A number that differs in each process forked from one that uses the library; never 0. Unlike a
 * pid it cannot be equal in parent and child. Async-signal-safe. */
unsigned fc_fds_generation(void);

/* Closes all descriptors and takes the table out of the list. */
void fc_fds_close_all(struct fc_fds *fds);

/* Takes the table of another process out of the list, because its memory is about to be freed. The
 * descriptors were closed at the fork, and their numbers may be other files' by now. */
void fc_fds_forget(struct fc_fds *fds);

/* A descriptor must be opened and entered in a table between these two calls, so that no fork comes
 * in between. */
void fc_fds_lock(void);
void fc_fds_unlock(void);

/* Opens a pipe, close-on-exec, with both ends above 2. 0 or a negative errno. */
int fc_fds_pipe(struct fc_fds *fds, enum fc_fd read_end, enum fc_fd write_end);

void fc_fds_close(struct fc_fds *fds, enum fc_fd which);

/* Notes what the numbers from first to before end stand for, if nothing is noted yet. Costs a
 * system call for each. */
void fc_fds_remember(struct fc_fds *fds, enum fc_fd first, enum fc_fd end);

/* Notes that the owner, or another thread, may have run the host's code. */
void fc_fds_expire(struct fc_fds *fds);

/* Drops descriptors that the host has closed, unless the table is fresh. True: there were such. */
bool fc_fds_look(struct fc_fds *fds);

/* True: there is such a descriptor, and its number still stands for it. */
bool fc_fds_has(const struct fc_fds *fds, enum fc_fd which);

/* In a child: true if the number stands for what its table says, or is in no table. */
bool fc_fds_child_has(int fd);
/* In a child: closes fd and takes it out of its table. */
void fc_fds_child_close(int fd);

/* Called around a fork by the library, and around what the library does in lists of the C library
 * (exit handlers, fork handlers), whose locks a child would find taken for ever. Never called with
 * the lock of the tables: base/descriptors.c tells why. */
void fc_fds_fork_lock(void);
void fc_fds_fork_unlock(void);
/* Called inside those two, around what is done in the lists, so that a fork by the host waits,
 * too. */
void fc_fds_enter_lists(void);
void fc_fds_leave_lists(void);

/* Forks. Of all tables the child keeps only its own ends of this one. Returns -errno on failure. */
pid_t fc_fds_fork(struct fc_fds *own);

/* Moves a descriptor that has got number 0, 1 or 2, because the host has closed these, away from
 * the child's standard streams. Returns the new number, or a negative errno with fd closed. Returns
 * a negative fd unchanged. */
int fc_fd_above_streams(int fd);

#endif
