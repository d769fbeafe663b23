/* ANY: Checks whether a descriptor is still what it was. */
#include "base/fd_identity.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* As fstat(2). The C library names no file by an empty string of its own, which a forked child
 * would have to map first; this one lies beside what the child has. */
static int status_of(int fd, struct stat *file)
{
#ifdef AT_EMPTY_PATH
    return fstatat(fd, "", file, AT_EMPTY_PATH);
#else
    return fstat(fd, file);
#endif
}

/* Identifies fd by its device and inode. */
static struct fc_fd_identity take_inode(int fd)
{
    struct stat file;
    struct fc_fd_identity mark = {.in_description = false};
    if (status_of(fd, &file) == 0) {
        mark.device = file.st_dev;
        mark.inode = file.st_ino;
    }
    return mark;
}

static bool holds_inode(int fd, const struct fc_fd_identity *mark)
{
    struct stat file;
    return status_of(fd, &file) == 0 && file.st_dev == mark->device && file.st_ino == mark->inode;
}

#ifdef HAVE_MARKED_DESCRIPTION

/* Marks the open file description: with a signal number for O_ASYNC, which is not used on it and
 * which other descriptors do not have. This costs two page faults less than fstat(2). */
#define MARK 47

struct fc_fd_identity fc_fd_identity_take(int fd)
{
    if (fcntl(fd, F_SETSIG, MARK) == 0)
        return (struct fc_fd_identity){.in_description = true};
    return take_inode(fd);
}

bool fc_fd_identity_holds(int fd, const struct fc_fd_identity *mark)
{
    return mark->in_description ? fcntl(fd, F_GETSIG) == MARK : holds_inode(fd, mark);
}

#else

struct fc_fd_identity fc_fd_identity_take(int fd)
{
    return take_inode(fd);
}

bool fc_fd_identity_holds(int fd, const struct fc_fd_identity *mark)
{
    return holds_inode(fd, mark);
}

#endif

/* ---- Descriptors of any kind ----------------------------------------------------------------- */

static bool shares_its_inode(const struct stat *file)
{
    return (file->st_mode & S_IFMT) == 0 || file->st_ino == 0;
}

struct fc_fd_identity fc_fd_identity_take_any(int fd)
{
    struct stat file;
    struct fc_fd_identity mark = {.in_description = false};
    if (status_of(fd, &file) < 0)
        return mark;
    if (shares_its_inode(&file))
        mark = fc_fd_identity_take(fd);
    mark.device = file.st_dev;
    mark.inode = file.st_ino;
    return mark;
}

/* True: the system refuses the question (a sandbox). The number then counts as the library's. */
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
    if (status_of(fd, &file) < 0)
        return is_refused();
    if (file.st_dev != mark->device || file.st_ino != mark->inode)
        return false;
    errno = 0;
    return !mark->in_description || fc_fd_identity_holds(fd, mark) || is_refused();
}
