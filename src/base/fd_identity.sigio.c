/* ANY: Linux: the open file description carries the mark: a signal number for O_ASYNC, which is not
 * used on it and of which every other has none. Cheaper by two page faults than fstat(2). */
#include "base/fd_identity.h"

#include <fcntl.h>

#define MARK 47

struct fc_fd_identity fc_fd_identity_take(int fd)
{
    if (fcntl(fd, F_SETSIG, MARK) == 0)
        return (struct fc_fd_identity){.in_description = true};
    return fc_fd_identity_take_inode(fd);
}

bool fc_fd_identity_holds(int fd, const struct fc_fd_identity *mark)
{
    return mark->in_description ? fcntl(fd, F_GETSIG) == MARK : fc_fd_identity_holds_inode(fd, mark);
}
