/* ANY: Is a descriptor still what it was? A function may close every descriptor it finds and open a
 * file that gets the number of its reply; nothing of ours must be written into that. */
#ifndef FC_BASE_FD_IDENTITY_H
#define FC_BASE_FD_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

struct fc_fd_identity {
    bool in_description; /* the mark is in the open file description; else these two tell */
    dev_t device;
    ino_t inode;
};

/* In the caller, at the child's end of the reply, before the fork. */
struct fc_fd_identity fc_fd_identity_take(int fd);

/* In the child. */
bool fc_fd_identity_holds(int fd, const struct fc_fd_identity *mark);

/* For descriptors of any kind. One whose inode is shared with others (an epoll, a timerfd, a pidfd
 * of an old kernel) is marked in its description, where the system can; another of the same kind is
 * taken for it where it cannot. */
struct fc_fd_identity fc_fd_identity_take_any(int fd);
bool fc_fd_identity_holds_any(int fd, const struct fc_fd_identity *mark);

#endif
