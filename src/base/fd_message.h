/* ANY: Messages that carry descriptors, over a Unix socket (unix(7), SCM_RIGHTS). */
#ifndef FC_BASE_FD_MESSAGE_H
#define FC_BASE_FD_MESSAGE_H

#include "base/descriptors.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The number of a re-executed program's socket. */
#define FC_EXEC_SELF_FD 3

/* What ETOOMANYREFS of sendmsg(2) means. */
#define FC_TOO_MANY_UNDER_WAY                                                                                  \
    "too many descriptors of this user are under way between processes (ETOOMANYREFS): the limit for them is " \
    "RLIMIT_NOFILE, too (unix(7))"

/* The most descriptors in one message. Linux allows 253. */
#define FC_FD_MESSAGE_MAX 200

/* Opens a pair of connected stream sockets, close-on-exec and above 2. The second is not
 * FC_EXEC_SELF_FD. 0 or a negative errno. */
int fc_fd_message_pair(int ends[2]);

/* The same, entered as FC_FD_SOCKET and FC_FD_PEER_SOCKET. */
int fc_fd_message_pair_in(struct fc_fds *fds);

/* Sends a message of size bytes, which the reader must take whole. Does not wait, and raises no
 * SIGPIPE. 0 or a negative errno. Thread-safe. */
int fc_fd_message_send(int fd, const void *data, size_t size, const int *fds, size_t count);

/* Takes one message of exactly size bytes and at most max descriptors, which are close-on-exec and
 * above 2; sets *count. Waits only if wait is set. 0; -EAGAIN: there is no message; -ECONNRESET:
 * the other end is closed; or another negative errno, with no descriptor open. Thread-safe. */
int fc_fd_message_receive(int fd, void *data, size_t size, int *fds, size_t max, size_t *count, int wait);

/* The same without waiting; and the message stays in the socket, so it is not lost if its
 * descriptors find no room (-EMFILE). Only for a message that has descriptors, because the one
 * behind it may add its own otherwise; and only for Linux. */
int fc_fd_message_peek(int fd, void *data, size_t size, int *fds, size_t max, size_t *count);

/* The process that made the pair; -1: the system does not tell. */
pid_t fc_fd_message_maker(int fd);

#endif
