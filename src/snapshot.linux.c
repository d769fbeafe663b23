/* Linux: capabilities, what a sandbox has taken, and namespaces. */
#include "snapshot.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CAPABILITY_VERSION 0x20080522U /* _LINUX_CAPABILITY_VERSION_3 */
#define CAP_SYS_ADMIN_ 21
#define KCMP_FILE_ 0
#define KCMP_FS_ 3
#define SECCOMP_FILTER 2
#define GET_MDWE 66 /* PR_GET_MDWE, Linux 6.3: no memory may become executable */

struct capabilities {
    uint32_t effective, permitted, inheritable;
};

struct place {
    uint64_t mount; /* a mount namespace has mounts of its own */
    uint64_t inode;
    uint32_t device_major, device_minor;
};

struct extra {
    uid_t uid, effective_uid, saved_uid, file_uid;
    gid_t gid, effective_gid, saved_gid, file_gid;
    struct capabilities capabilities[2];
    int secure_bits, no_new_privs, mdwe, seccomp, seccomp_filters;
    struct place root, directory;
    uint32_t user, network, ipc, cgroup, mounts; /* namespaces */
    char node[65], domain[65];
};

_Static_assert(sizeof(struct extra) <= FC_SNAPSHOT_EXTRA, "room for the snapshot");

static size_t read_status(char *text, size_t size)
{
    const int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return n < 0 ? 0 : (size_t)n;
}

/* A number of /proc/thread-self/status; -1: not there. */
static long status_number(const char *name, int base)
{
    char text[4096];
    if (read_status(text, sizeof text) == 0)
        return -1;
    const char *line = strstr(text, name);
    return line == NULL ? -1 : strtol(line + strlen(name), NULL, base);
}

unsigned fc_snapshot_umask(void)
{
    const long mask = status_number("\nUmask:", 8);
    return mask < 0 ? 0 : (unsigned)mask | FC_SNAPSHOT_UMASK_KNOWN;
}

bool fc_snapshot_is_same_file(int fd, pid_t other)
{
    /* Not permitted, or not built in: -1. */
    return syscall(SYS_kcmp, getpid(), other, KCMP_FILE_, fd, fd) <= 0;
}

bool fc_snapshot_may_look(pid_t process)
{
    return syscall(SYS_kcmp, getpid(), process, KCMP_FS_, 0, 0) >= 0;
}

static void take_credentials(struct extra *e)
{
    struct {
        uint32_t version;
        int pid;
    } header = {CAPABILITY_VERSION, 0};
    if (getresuid(&e->uid, &e->effective_uid, &e->saved_uid) < 0 ||
        getresgid(&e->gid, &e->effective_gid, &e->saved_gid) < 0)
        return;
    e->file_uid = (uid_t)syscall(SYS_setfsuid, (uid_t)-1); /* no user has that number: it tells and changes nothing */
    e->file_gid = (gid_t)syscall(SYS_setfsgid, (gid_t)-1);
    syscall(SYS_capget, &header, e->capabilities);
    e->secure_bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    e->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    e->mdwe = prctl(GET_MDWE, 0, 0, 0, 0);
    e->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    if (e->seccomp == SECCOMP_FILTER)
        e->seccomp_filters = (int)status_number("\nSeccomp_filters:", 10);
}

#ifdef SYS_statx
/* struct statx, which older C libraries have without the mount, or not at all. */
struct file_status {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, unused;
    uint64_t inode, size, blocks, attributes_mask;
    uint64_t times[8];
    uint32_t special_major, special_minor, device_major, device_minor;
    uint64_t mount;
    uint64_t rest[13];
};

#define WANT_INODE 0x100U
#define WANT_MOUNT 0x1000U
#define DONT_SYNC 0x4000
#endif

static struct place place_of(const char *path)
{
    struct place place;
    memset(&place, 0, sizeof place);
#ifdef SYS_statx
    struct file_status file;
    if (syscall(SYS_statx, AT_FDCWD, path, DONT_SYNC, WANT_INODE | WANT_MOUNT, &file) == 0) {
        place.mount = (file.mask & WANT_MOUNT) != 0 ? file.mount : 0; /* Linux 5.8 */
        place.inode = file.inode;
        place.device_major = file.device_major;
        place.device_minor = file.device_minor;
        return place;
    }
#endif
    struct stat old;
    if (stat(path, &old) == 0) {
        place.inode = old.st_ino;
        place.device_minor = (uint32_t)old.st_dev;
    }
    return place;
}

/* "net:[4026531840]" */
static uint32_t namespace_number(const char *path)
{
    char link[64];
    const ssize_t n = readlink(path, link, sizeof link - 1);
    if (n <= 0)
        return 0;
    link[n] = '\0';
    const char *bracket = strchr(link, '[');
    return bracket == NULL ? 0 : (uint32_t)strtoul(bracket + 1, NULL, 10);
}

/* Mounts are told apart by place_of, where it can. Without CAP_SYS_ADMIN no namespace can be left but by making a user
 * namespace. That of process numbers is the children's, not this process's own: it takes nothing from this one. */
static void take_namespaces(struct extra *e, const struct extra *before)
{
    struct utsname names;
    /* Who may look at the server is in its user namespace or in one above it (ptrace(2), "Ptrace access mode checking"), and
     * has asked that with a third of the cost. */
    e->user = before != NULL ? before->user : namespace_number("/proc/thread-self/ns/user");
    if (uname(&names) == 0) {
        memcpy(e->node, names.nodename, sizeof e->node);
        memcpy(e->domain, names.domainname, sizeof e->domain);
    }
    if ((e->capabilities[0].permitted & (1U << CAP_SYS_ADMIN_)) == 0)
        return;
    e->network = namespace_number("/proc/thread-self/ns/net");
    e->ipc = namespace_number("/proc/thread-self/ns/ipc");
    e->cgroup = namespace_number("/proc/thread-self/ns/cgroup");
    if (e->root.mount == 0)
        e->mounts = namespace_number("/proc/thread-self/ns/mnt");
}

void fc_snapshot_extra(void *extra, const void *before)
{
    struct extra e;
    memset(&e, 0, sizeof e);
    take_credentials(&e);
    e.root = place_of("/");
    e.directory = place_of(".");
    take_namespaces(&e, before);
    memcpy(extra, &e, sizeof e);
}
