/* ANY: Messages that carry descriptors, over a Unix socket (unix(7), SCM_RIGHTS). */
#ifndef FC_BASE_FD_MESSAGE_H
#define FC_BASE_FD_MESSAGE_H

#include "base/descriptors.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a copy finds its socket. */
#define FC_EXEC_SELF_FD 3

/* The most descriptors in one message: Linux takes 253. */
/* What ETOOMANYREFS of sendmsg(2) means. */
#define FC_TOO_MANY_UNDER_WAY                                                                                  \
    "too many descriptors of this user are under way between processes (ETOOMANYREFS): the limit for them is " \
    "RLIMIT_NOFILE, too (unix(7))"

#define FC_FD_MESSAGE_MAX 200

/* A connected pair of stream sockets, close-on-exec, above 2; the second is not FC_EXEC_SELF_FD. 0
 * or a negative errno. */
int fc_fd_message_pair(int ends[2]);

/* The same, as FC_FD_SOCKET and FC_FD_PEER_SOCKET of a table. */
int fc_fd_message_pair_in(struct fc_fds *fds);

/* Sends a message of size bytes, which the reader must take whole, never waiting and without
 * SIGPIPE. 0 or a negative errno. */
int fc_fd_message_send(int fd, const void *data, size_t size, const int *fds, size_t count);

/* Takes one message of exactly size bytes and at most max descriptors, which are close-on-exec and
 * above 2; sets *count. Waits only where wait is set. 0; -EAGAIN: nothing is there; -ECONNRESET:
 * the other end is closed; or another negative errno, with no descriptor open. */
int fc_fd_message_receive(int fd, void *data, size_t size, int *fds, size_t max, size_t *count, int wait);

/* The same, without waiting, and the message stays where it is: where its descriptors find no room
 * (-EMFILE) nothing is lost. For a message that has descriptors, or the one behind it may lend its
 * own; and for Linux: other systems do it otherwise. */
int fc_fd_message_peek(int fd, void *data, size_t size, int *fds, size_t max, size_t *count);

/* The process that made the pair; -1: this system does not tell. */
pid_t fc_fd_message_maker(int fd);

#endif
