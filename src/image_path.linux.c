/* Linux: /proc/self/exe is the image that runs, whatever became of its file. Written in an odd way, it is also the mark of a
 * copy: the kernel tells every program the path that it was started by (getauxval(3), AT_EXECFN), and no other program is
 * started by this one. */
#include "copy.h"
#include "credentials.h"
#include "fds.h"
#include "mapping.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ODD_PATH "/proc/self/task/../exe"

#define SECBIT_NOROOT_ 1

static const char *started_by(void)
{
    return (const char *)getauxval(AT_EXECFN); // NOLINT(performance-no-int-to-ptr): so the kernel gives it
}

static struct stat started; /* the file at that path, at the program's start; where st_ino is not 0 */

void fc_image_path_note(void)
{
    const char *path = started_by();
    if (path == NULL || path[0] != '/' || stat(path, &started) < 0)
        started.st_ino = 0;
}

/* No /proc: an absolute path is still good while it leads to the same file. */
static int use_start_path(struct fc_image_path *image)
{
    struct stat now;
    image->path = started_by();
    image->tells = false;
    if (started.st_ino == 0 || stat(image->path, &now) < 0)
        return -ENOENT;
    return now.st_ino == started.st_ino && now.st_dev == started.st_dev ? 0 : -ENOENT;
}

bool fc_image_path_is_this(void)
{
    const char *path = started_by();
    return path != NULL && strcmp(path, ODD_PATH) == 0;
}

/* The string lies on the stack, above everything else, and is this process's own. */
void fc_image_path_forget(void)
{
    char *path = (char *)getauxval(AT_EXECFN); // NOLINT(performance-no-int-to-ptr): so the kernel gives it
    if (fc_image_path_is_this())
        *path = '\0';
}

bool fc_image_is_privileged(void)
{
    return getauxval(AT_SECURE) != 0;
}

/* The inode of the program's file, as the kernel has mapped it; it does not change. 0: not known. */
static uint64_t mapped_inode(void)
{
    static atomic_uint_fast64_t known;
    struct fc_mapping mapping;
    if (atomic_load(&known) == 0) {
        fc_fds_lock();
        if (fc_mapping_find(getauxval(AT_PHDR), &mapping) == 0)
            atomic_store(&known, mapping.inode);
        fc_fds_unlock();
    }
    return atomic_load(&known);
}

/* Under valgrind and qemu-user /proc/self/exe is the tool, and only the link's text is the program: by that it is started
 * if the file is still the same. */
static int use_link(struct fc_image_path *image, uint64_t inode)
{
    static char link[4096];
    char read_now[sizeof link];
    struct stat named;
    const ssize_t n = readlink("/proc/self/exe", read_now, sizeof read_now - 1);
    if (n < 0)
        return -errno;
    read_now[n] = '\0';
    if (stat(read_now, &named) < 0 || named.st_ino != inode)
        return -ENOENT;
    memcpy(link, read_now, (size_t)n + 1); /* the same bytes for every thread */
    *image = (struct fc_image_path){.path = link, .tells = false};
    return 0;
}

/* Which it is, is told by what is mapped, not by a name: behind one another file may lie by now. */
int fc_image_path_get(struct fc_image_path *image)
{
    struct stat real;
    if (stat("/proc/self/exe", &real) < 0)
        return use_start_path(image);
    const uint64_t inode = mapped_inode();
    if (inode != 0 && real.st_ino != inode)
        return use_link(image, inode);
    *image = (struct fc_image_path){.path = ODD_PATH, .tells = true};
    return 0;
}

static bool is_root(const struct fc_credentials *c)
{
    return (c->secure_bits & SECBIT_NOROOT_) == 0 && (c->user[FC_ID_REAL] == 0 || c->user[FC_ID_EFFECTIVE] == 0);
}

/* A copy begins with the real user and group (copy_spawn.c). What exec gives root again of the capabilities that it has dropped is not looked at here: the copy drops them itself, and looks
 * (credentials.h). Nor would this process know what it really has: a security module shows it less (AppArmor). */
const char *fc_image_path_raises(const struct fc_image_path *image)
{
    struct stat file;
    struct fc_credentials c;
    fc_credentials_take(&c);
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || stat(image->path, &file) < 0)
        return NULL;
    if (((file.st_mode & S_ISUID) != 0 && file.st_uid != c.user[FC_ID_REAL]) ||
        ((file.st_mode & S_ISGID) != 0 && file.st_gid != c.group[FC_ID_REAL]))
        return "this program's file is set-user-id or set-group-id: a new process of it would have other rights";
    if (!is_root(&c) && getxattr(image->path, "security.capability", NULL, 0) > 0)
        return "this program's file has capabilities (setcap): a new process of it would have other rights";
    return NULL;
}
