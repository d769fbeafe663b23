/* ANY: is a descriptor of any kind still what it was? */
#include "base/fd_identity.h"

#include <errno.h>
#include <sys/stat.h>

static bool shares_its_inode(const struct stat *file)
{
    return (file->st_mode & S_IFMT) == 0 || file->st_ino == 0;
}

struct fc_fd_identity fc_fd_identity_take_any(int fd)
{
    struct stat file;
    struct fc_fd_identity mark = {.in_description = false};
    if (fstat(fd, &file) < 0)
        return mark;
    if (shares_its_inode(&file))
        mark = fc_fd_identity_take(fd);
    mark.device = file.st_dev;
    mark.inode = file.st_ino;
    return mark;
}

/* Where the system refuses the question (a sandbox), the number is taken to be the library's, as it
 * was. */
static bool is_refused(void)
{
    return errno != 0 && errno != EBADF;
}

bool fc_fd_identity_holds_any(int fd, const struct fc_fd_identity *mark)
{
    struct stat file;
    if (!mark->in_description && mark->inode == 0)
        return true;
    errno = 0;
    if (fstat(fd, &file) < 0)
        return is_refused();
    if (file.st_dev != mark->device || file.st_ino != mark->inode)
        return false;
    errno = 0;
    return !mark->in_description || fc_fd_identity_holds(fd, mark) || is_refused();
}
