/* Linux: /proc/self/exe is the image that runs, whatever became of its file. Written in an odd way, it is also the mark of a
 * copy: the kernel tells every program the path that it was started by (getauxval(3), AT_EXECFN), and no other program is
 * started by this one. */
#include "copy.h"
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
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ODD_PATH "/proc/self/task/../exe"

#define CAPABILITY_VERSION 0x20080522U /* _LINUX_CAPABILITY_VERSION_3 */
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

/* Exec gives root all capabilities again that are inheritable or in its bounding set, whatever it has dropped. */
static bool exec_raises_root(void)
{
    struct {
        uint32_t version;
        int pid;
    } header = {CAPABILITY_VERSION, 0};
    struct {
        uint32_t effective, permitted, inheritable;
    } has[2] = {{0, 0, 0}, {0, 0, 0}};
    if ((getuid() != 0 && geteuid() != 0) || (prctl(PR_GET_SECUREBITS) & SECBIT_NOROOT_) != 0 ||
        syscall(SYS_capget, &header, has) < 0)
        return false;
    for (unsigned i = 0; i < 64; i++) {
        const uint32_t bit = 1U << i % 32;
        if ((has[i / 32].permitted & bit) != 0)
            continue; /* without a system call for each of those that root has */
        const int bounding = prctl(PR_CAPBSET_READ, i, 0, 0, 0);
        if (bounding < 0) /* the kernel knows no more */
            break;
        if (bounding == 1 || (has[i / 32].inheritable & bit) != 0)
            return true;
    }
    return false;
}

bool fc_image_path_raises(const struct fc_image_path *image)
{
    struct stat file;
    if (exec_raises_root())
        return true;
    if (stat(image->path, &file) < 0)
        return false;
    return (file.st_mode & (S_ISUID | S_ISGID)) != 0 || getxattr(image->path, "security.capability", NULL, 0) > 0;
}
