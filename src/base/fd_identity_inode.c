/* ANY: is a descriptor still what it was? By device and inode. */
#include "base/fd_identity.h"

#include <sys/stat.h>

struct fc_fd_identity fc_fd_identity_take_inode(int fd)
{
    struct stat file;
    struct fc_fd_identity mark = {.in_description = false};
    if (fstat(fd, &file) == 0) {
        mark.device = file.st_dev;
        mark.inode = file.st_ino;
    }
    return mark;
}

bool fc_fd_identity_holds_inode(int fd, const struct fc_fd_identity *mark)
{
    struct stat file;
    return fstat(fd, &file) == 0 && file.st_dev == mark->device && file.st_ino == mark->inode;
}
