/* By device and inode, which every pipe has of its own. */
#include "mark.h"

#include <sys/stat.h>

/* Of the call that this thread starts: the child has this thread's copy. */
static _Thread_local dev_t device;
static _Thread_local ino_t inode;

void fc_mark(int fd)
{
    struct stat file;
    if (fstat(fd, &file) == 0) {
        device = file.st_dev;
        inode = file.st_ino;
    }
}

bool fc_is_marked(int fd)
{
    struct stat file;
    return fstat(fd, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}
