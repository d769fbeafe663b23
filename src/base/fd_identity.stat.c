/* ANY: Without F_SETSIG, device and inode are the whole mark. */
#include "base/fd_identity.h"

struct fc_fd_identity fc_fd_identity_take(int fd)
{
    return fc_fd_identity_take_inode(fd);
}

bool fc_fd_identity_holds(int fd, const struct fc_fd_identity *mark)
{
    return fc_fd_identity_holds_inode(fd, mark);
}
