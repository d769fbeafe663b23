/* ANY: The descriptors of a call.
 *
 * Every descriptor that the library opens stands in such a table, and every table of the process in
 * one list. A fork by any thread, the library's or the host's, closes in the child what is not the
 * child's: else concurrent children would hold each other's channels, write into them, and keep
 * each other's lifelines up when the host dies.
 *
 * A number is the library's only as long as nobody else closes it. A daemon closes every descriptor
 * that it finds (closefrom(3)), and the next file that it opens gets the number. So the table
 * remembers what each number stands for, and whoever comes back from the host's code looks before
 * the number is used again: one that stands for something else is dropped, not closed. */
#ifndef FC_BASE_DESCRIPTORS_H
#define FC_BASE_DESCRIPTORS_H

#include "base/fd_identity.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

enum fc_fd {
    /* The caller's ends. */
    FC_FD_REPLY,
    FC_FD_GO,
    FC_FD_PROCESS,
    FC_FD_OUT,
    FC_FD_ERR,
    FC_FD_WAKE, /* call/wakeup.h: what wakes a waiting thread */
    FC_FD_WAKE_WRITE,
    FC_FD_LOOP,
    FC_FD_TIMER, /* call/wakeup.h: what wakes an event loop at a deadline */
    /* While a copy is started: the socket that it finds what it needs in, this end and its own. */
    FC_FD_SOCKET,
    FC_FD_PEER_SOCKET,
    FC_FD_ARGS,   /* base/shared_args.h */
    FC_FD_STATUS, /* through it the server is about to tell how the call's child has ended */
    FC_FD_CALLER_COUNT,
    /* The child's. */
    FC_FD_CHILD_REPLY = FC_FD_CALLER_COUNT,
    FC_FD_CHILD_GO,
    FC_FD_CHILD_OUT,
    FC_FD_CHILD_ERR,
    FC_FD_CHILD_LIFELINE,
    FC_FD_REGION, /* both have it */
    FC_FD_COUNT
};

struct fc_fds {
    int fd[FC_FD_COUNT]; /* -1: none */
    /* What each stands for, once fc_fds_remember has looked. */
    struct fc_fd_identity mark[FC_FD_COUNT];
    /* The owner has not been in the host's code since it last looked. */
    bool fresh;
    /* The owner's: next and link may be written by others, under the lock. */
    bool listed;
    struct fc_fds *next, **link;
    bool forking; /* by forker: the child that the table is for */
    pthread_t forker;
};

/* An empty table that is in no list: closing all of it does nothing. */
void fc_fds_init(struct fc_fds *fds);

/* Puts an empty table into the list. 0, or -ENOMEM: the fork handlers could not be registered. */
int fc_fds_open(struct fc_fds *fds);

/* Another number in each process that was forked from one that uses the library; never 0. Unlike a
 * pid it cannot be the parent's, too. */
unsigned fc_fds_generation(void);

/* Closes all and takes the table out of the list. */
void fc_fds_close_all(struct fc_fds *fds);

/* In another process than the table's: its memory is about to go. The descriptors were closed at
 * the fork, and their numbers may be others' by now. */
void fc_fds_forget(struct fc_fds *fds);

/* What opens a descriptor for a table does so between these two, so that no fork comes between
 * opening and entering. */
void fc_fds_lock(void);
void fc_fds_unlock(void);

/* A pipe, close-on-exec, both ends above 2. 0 or a negative errno. */
int fc_fds_pipe(struct fc_fds *fds, enum fc_fd read_end, enum fc_fd write_end);

void fc_fds_close(struct fc_fds *fds, enum fc_fd which);

/* Notes what the numbers from first to before end stand for, of which nothing is noted yet: a
 * system call for each. */
void fc_fds_remember(struct fc_fds *fds, enum fc_fd first, enum fc_fd end);

/* The owner has been, or others may have been, in the host's code. */
void fc_fds_expire(struct fc_fds *fds);

/* Unless the table is fresh: drops what the host has closed. True: there was such. */
bool fc_fds_look(struct fc_fds *fds);

/* There is such a descriptor, and its number still stands for it. */
bool fc_fds_has(const struct fc_fds *fds, enum fc_fd which);

/* In a child: of its own ends. True: the number stands for what its table says, or is in none. */
bool fc_fds_child_has(int fd);
/* Closes it, and takes it out of its table. */
void fc_fds_child_close(int fd);

/* Around a fork of the library's and around what it does in lists of the C library's (exit
 * handlers, fork handlers), whose locks the child would find taken for ever. Never with the lock of
 * the tables: see base/descriptors.c. */
void fc_fds_fork_lock(void);
void fc_fds_fork_unlock(void);
/* Inside the former, around the latter: a fork of the host's is to wait, too. */
void fc_fds_enter_lists(void);
void fc_fds_leave_lists(void);

/* fork(2), after which the child has of all tables only its own ends of this one. Returns -errno on
 * failure. */
pid_t fc_fds_fork(struct fc_fds *own);

/* Moves a descriptor that landed on 0, 1 or 2, because the host has these closed, out of the way of
 * the child's standard streams: returns the new one, or a negative errno with fd closed. Passes
 * errors through. */
int fc_fd_above_streams(int fd);

#endif
