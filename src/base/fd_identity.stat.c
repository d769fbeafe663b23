/* ANY: Without F_SETSIG, device and inode are the whole mark. */
#include "base/fd_identity.h"

struct fc_mark fc_mark(int fd)
{
    return fc_mark_by_inode(fd);
}

bool fc_is_marked(int fd, const struct fc_mark *mark)
{
    return fc_is_marked_by_inode(fd, mark);
}
