/* ANY: Linux: Finds the running executable through /proc/PID/exe, whatever became of its file.
 *
 * Written in an odd way, this path is also the mark of a re-executed program: the kernel tells
 * every program the path that it was started by (getauxval(3), AT_EXECFN), and no other program is
 * started by this one. PID is the maker's number, not "self": if a wrapper executes the path in a
 * process of its own, "self" would be the wrapper's program. */
#include "exec/exec_self.h"
#include "module/proc_maps.h"
#include "os/credentials.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ODD_START "/proc/"
#define ODD_END "/task/../exe"
#define ODD_SELF ODD_START "self" ODD_END

#define SECBIT_NOROOT_ 1

static const char *started_by(void)
{
    return (const char *)getauxval(AT_EXECFN); // NOLINT(performance-no-int-to-ptr): the kernel gives it so
}

/* The file at that path when the program started. Valid if st_ino is not 0. */
static struct stat started;

void fc_executable_note(void)
{
    const char *path = started_by();
    if (path == NULL || path[0] != '/' || stat(path, &started) < 0)
        started.st_ino = 0;
}

static int set_path(struct fc_executable *executable, const char *path)
{
    executable->path = strdup(path);
    return executable->path != NULL ? 0 : -ENOMEM;
}

/* Uses the path that the program was started by, for systems without /proc/self/exe. It must be
 * absolute, and must still lead to the same file. */
static int use_start_path(struct fc_executable *executable, int error)
{
    struct stat now;
    if (error != ENOENT) {
        executable->why = "the file of this program cannot be found: this process may not look at /proc/self/exe";
        return -error;
    }
    if (started.st_ino == 0) {
        executable->why = "the file of this program cannot be found (no /proc, and it was started by a relative path)";
        return -ENOENT;
    }
    if (stat(started_by(), &now) < 0 || now.st_ino != started.st_ino || now.st_dev != started.st_dev) {
        executable->why =
            "the file of this program cannot be found (no /proc, and its file was moved, deleted or replaced)";
        return -ENOENT;
    }
    return set_path(executable, started_by());
}

/* The path is "/proc/", a number or "self", and the odd end. */
bool fc_executable_is_this(void)
{
    const char *path = started_by();
    if (path == NULL || strncmp(path, ODD_START, sizeof ODD_START - 1) != 0)
        return false;
    path += sizeof ODD_START - 1;
    const size_t digits = strspn(path, "0123456789");
    if (digits > 0)
        return strcmp(path + digits, ODD_END) == 0;
    return strcmp(path, "self" ODD_END) == 0;
}

/* The string lies at the top of the stack and belongs to this process, so it may be changed. */
void fc_executable_forget(void)
{
    char *path = (char *)getauxval(AT_EXECFN); // NOLINT(performance-no-int-to-ptr): the kernel gives it so
    if (fc_executable_is_this())
        *path = '\0';
}

bool fc_executable_is_of_parent(void)
{
    char path[64];
    struct stat own, other;
    snprintf(path, sizeof path, "/proc/%ld/exe", (long)getppid());
    return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 && own.st_ino == other.st_ino &&
           own.st_dev == other.st_dev;
}

bool fc_executable_is_privileged(void)
{
    return getauxval(AT_SECURE) != 0;
}

/* The inode of the program's file, as the kernel has mapped it. It does not change. 0: not
 * known. */
static uint64_t mapped_inode(void)
{
    static atomic_uint_fast64_t known;
    struct fc_mapping mapping;
    if (atomic_load(&known) == 0 && fc_mapping_find(getauxval(AT_PHDR), &mapping) == 0)
        atomic_store(&known, mapping.inode);
    return atomic_load(&known);
}

/* Uses the text of the link /proc/self/exe. Under valgrind and qemu-user the file behind the link
 * is the tool, and only the text names the program, which is used if it is still the same file. If
 * the dynamic loader was started with the program as its argument, the text names the loader, and
 * nothing leads to the program. */
static int use_link(struct fc_executable *executable, uint64_t inode)
{
    struct stat named;
    executable->path = malloc(PATH_MAX);
    if (executable->path == NULL)
        return -ENOMEM;
    const ssize_t n = readlink("/proc/self/exe", executable->path, PATH_MAX - 1);
    if (n < 0) {
        executable->why = "the file of this program cannot be found: this process may not read the link /proc/self/exe";
        return -errno;
    }
    executable->path[n] = '\0';
    if (stat(executable->path, &named) == 0 && named.st_ino == inode)
        return 0;
    executable->why =
        "the file of this program cannot be started: another program runs it (a dynamic loader with this program "
        "as its argument, an emulator)";
    return -ENOENT;
}

/* Uses the odd path of this process. "self" is used if /proc belongs to another process namespace
 * and knows this process by another number. */
static int use_odd_path(struct fc_executable *executable, const struct stat *real)
{
    char path[64];
    struct stat numbered;
    snprintf(path, sizeof path, ODD_START "%ld" ODD_END, (long)getpid());
    if (stat(path, &numbered) < 0 || numbered.st_ino != real->st_ino || numbered.st_dev != real->st_dev)
        return set_path(executable, ODD_SELF);
    executable->instead = ODD_SELF;
    return set_path(executable, path);
}

/* Finds the file behind /proc/self/exe. If the main thread has ended by pthread_exit(3), /proc
 * knows the executable by other threads alone. "self" is still good for posix_spawn(3), which
 * executes the path in a process that has its first thread. */
static int stat_own(struct stat *real)
{
    if (stat("/proc/self/exe", real) == 0)
        return 0;
    const int error = errno;
    return error == ENOENT && stat("/proc/thread-self/exe", real) == 0 ? 0 : -error;
}

/* The executable is recognised by what is mapped, not by a name, because another file may have the
 * name by now. */
int fc_executable_get(struct fc_executable *executable)
{
    struct stat real;
    *executable = (struct fc_executable){.path = NULL};
    const int r = stat_own(&real);
    if (r < 0)
        return use_start_path(executable, -r);
    const uint64_t inode = mapped_inode();
    if (inode != 0 && real.st_ino != inode)
        return use_link(executable, inode);
    return use_odd_path(executable, &real);
}

/* Exec gives root nothing by a file's capabilities. Only the real user counts, because a
 * re-executed program begins as that user (exec/spawn_self.c). */
static bool is_root(const struct fc_credentials *c)
{
    return (c->secure_bits & SECBIT_NOROOT_) == 0 && c->user[FC_ID_REAL] == 0;
}

/* A re-executed program begins with the real user and group (exec/spawn_self.c). Capabilities that
 * exec gives back to root are not looked at here, because the new process drops them itself and
 * checks that (os/credentials.h). This process could not tell them anyway: a security module may
 * show it fewer than it has (AppArmor). */
const char *fc_executable_raises(const struct fc_executable *executable)
{
    struct stat file;
    struct fc_credentials c;
    fc_credentials_take(&c);
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || stat(executable->path, &file) < 0)
        return NULL;
    if (((file.st_mode & S_ISUID) != 0 && file.st_uid != c.user[FC_ID_REAL]) ||
        ((file.st_mode & S_ISGID) != 0 && file.st_gid != c.group[FC_ID_REAL]))
        return "this program's file is set-user-id or set-group-id: a new process of it would have other rights";
    if (!is_root(&c) && getxattr(executable->path, "security.capability", NULL, 0) > 0)
        return "this program's file has capabilities (setcap): a new process of it would have other rights";
    return NULL;
}
