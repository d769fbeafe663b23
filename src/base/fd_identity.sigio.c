/* ANY: Linux: the open file description carries the mark: a signal number for O_ASYNC, which is not
 * used on it and of which every other has none. Cheaper by two page faults than fstat(2). */
#include "base/fd_identity.h"

#include <fcntl.h>

#define MARK 47

struct fc_mark fc_mark(int fd)
{
    if (fcntl(fd, F_SETSIG, MARK) == 0)
        return (struct fc_mark){.in_description = true};
    return fc_mark_by_inode(fd);
}

bool fc_is_marked(int fd, const struct fc_mark *mark)
{
    return mark->in_description ? fcntl(fd, F_GETSIG) == MARK : fc_is_marked_by_inode(fd, mark);
}
