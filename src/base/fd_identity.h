/* ANY: Checks whether a descriptor is still what it was. A function may close every descriptor that
 * it finds and open a file that gets the number of the reply. The library must not write into that
 * file. */
#ifndef FC_BASE_FD_IDENTITY_H
#define FC_BASE_FD_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

struct fc_fd_identity {
    bool in_description; /* the open file description is marked; else the next two tell */
    dev_t device;
    ino_t inode;
};

/* Notes what fd stands for. For the child's end of the reply, in the host, before the fork. */
struct fc_fd_identity fc_fd_identity_take(int fd);

/* In the child: true if fd is still that descriptor. */
bool fc_fd_identity_holds(int fd, const struct fc_fd_identity *mark);

/* The same for descriptors of any kind. Some share an inode with others (an epoll, a timerfd, a
 * pidfd of an old kernel). Their description is marked, if the system can do that; else another one
 * of the same kind counts as the same. */
struct fc_fd_identity fc_fd_identity_take_any(int fd);
bool fc_fd_identity_holds_any(int fd, const struct fc_fd_identity *mark);

#endif
