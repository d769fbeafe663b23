/* ANY: Is a descriptor still what it was? A function may close every descriptor it finds and open a
 * file that gets the number of its reply; nothing of ours must be written into that. */
#ifndef FC_MARK_H
#define FC_MARK_H

#include <stdbool.h>
#include <sys/types.h>

struct fc_mark {
    bool in_description; /* the mark is in the open file description; else these two tell */
    dev_t device;
    ino_t inode;
};

/* In the caller, at the child's end of the reply, before the fork. */
struct fc_mark fc_mark(int fd);

/* In the child. */
bool fc_is_marked(int fd, const struct fc_mark *mark);

/* By device and inode, which every pipe has of its own. */
struct fc_mark fc_mark_by_inode(int fd);
bool fc_is_marked_by_inode(int fd, const struct fc_mark *mark);

/* For descriptors of any kind. One whose inode is shared with others (an epoll, a timerfd, a pidfd
 * of an old kernel) is marked in its description, where the system can; another of the same kind is
 * taken for it where it cannot. */
struct fc_mark fc_mark_any(int fd);
bool fc_is_the_same(int fd, const struct fc_mark *mark);

#endif
