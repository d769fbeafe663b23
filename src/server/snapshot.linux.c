/* HOST: Linux: What a sandbox has taken away, and namespaces. */
#include "server/snapshot.h"

#include "base/descriptors.h"
#include "base/hash.h"
#include "base/small_file.h"
#include "os/thread_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAP_SYS_ADMIN_ 21
#define KCMP_FILE_ 0
#define KCMP_FS_ 3
#define SECCOMP_FILTER 2
#define GET_MDWE 66      /* PR_GET_MDWE, Linux 6.3: no memory may become executable */
#define GET_KEYRING_ID 0 /* keyctl(2) */
#define SESSION_KEYRING (-3)
#define USER_SESSION_KEYRING (-5)
#define THIS_TASK "/proc/thread-self"
#define TASK_SIZE 64

struct place {
    uint64_t mount; /* a mount namespace has mounts of its own */
    uint64_t inode;
    uint32_t device_major, device_minor;
};

struct extra {
    int no_new_privs, mdwe, seccomp, seccomp_filters;
    struct place root, directory;
    uint32_t user, network, ipc, uts, cgroup, mounts; /* namespaces */
};

_Static_assert(sizeof(struct extra) <= FC_SNAPSHOT_EXTRA, "memory to compare this process with its server");

/* Reads the status of a task. task: its directory in /proc. Free the text. NULL: it cannot be read
 * completely. A part would not do, because the lines about a sandbox stand behind the groups. */
static char *read_status(const char *task)
{
    char path[TASK_SIZE + 8];
    snprintf(path, sizeof path, "%s/status", task);
    return fc_whole_file_read(path);
}

/* The text behind the name of a line; NULL: there is no such line. */
static const char *status_line(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line == NULL ? NULL : line + strlen(name);
}

/* -1: there is no such line. */
static long status_number(const char *text, const char *name, int base)
{
    const char *line = status_line(text, name);
    return line == NULL ? -1 : strtol(line, NULL, base);
}

static unsigned umask_of(const char *text)
{
    const long mask = status_number(text, "\nUmask:", 8);
    return mask < 0 ? 0 : (unsigned)mask | FC_SNAPSHOT_UMASK_KNOWN;
}

unsigned fc_snapshot_umask(void)
{
    char *text = read_status(THIS_TASK);
    const unsigned mask = text != NULL ? umask_of(text) : 0;
    free(text);
    return mask;
}

bool fc_snapshot_is_same_file(int fd, pid_t self, pid_t other)
{
    /* -1: it is not permitted, or not built in. */
    return syscall(SYS_kcmp, self, other, KCMP_FILE_, fd, fd) <= 0;
}

bool fc_snapshot_can_ptrace(pid_t self, pid_t other)
{
    return syscall(SYS_kcmp, self, other, KCMP_FS_, 0, 0) >= 0;
}

/* False: the number of filters cannot be found out. Kernels that do not count filters have no such
 * line, which is all there is to know. */
static bool take_sandbox(struct extra *e)
{
    e->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    e->mdwe = prctl(GET_MDWE, 0, 0, 0, 0);
    e->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    if (e->seccomp != SECCOMP_FILTER)
        return true;
    char *text = read_status(THIS_TASK);
    if (text == NULL)
        return false;
    e->seccomp_filters = (int)status_number(text, "\nSeccomp_filters:", 10);
    free(text);
    return true;
}

#ifdef SYS_statx
/* As struct statx, which older C libraries do not have, or only without the mount. */
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

/* The opened directory of a task's namespaces. Reading each link through it costs half of reading
 * it by its path. */
struct namespaces {
    const char *task;
    int directory; /* -1: no descriptor is free */
};

static struct namespaces open_namespaces(const char *task)
{
    char path[TASK_SIZE + 8];
    snprintf(path, sizeof path, "%s/ns", task);
    return (struct namespaces){.task = task, .directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)};
}

static void close_namespaces(const struct namespaces *of)
{
    if (of->directory >= 0)
        close(of->directory);
}

/* "net:[4026531840]" */
static uint32_t namespace_number(const struct namespaces *of, const char *name)
{
    char path[TASK_SIZE + 16], link[64];
    if (of->directory < 0)
        snprintf(path, sizeof path, "%s/ns/%s", of->task, name);
    const ssize_t n = of->directory >= 0 ? readlinkat(of->directory, name, link, sizeof link - 1)
                                         : readlink(path, link, sizeof link - 1);
    if (n <= 0)
        return 0;
    link[n] = '\0';
    const char *bracket = strchr(link, '[');
    return bracket == NULL ? 0 : (uint32_t)strtoull(bracket + 1, NULL, 10);
}

/* Fills in the namespaces that can differ.
 *
 * Mount namespaces are told apart by place_of, where the kernel tells it the mount. Without
 * CAP_SYS_ADMIN a namespace can only be left by making a user namespace, so the others need no
 * look. The namespace of process numbers holds for future children, and takes nothing from this
 * process. */
static void take_namespaces(struct extra *e, const char *task, const struct fc_credentials *now, const void *before)
{
    const bool all = (now->word[0].permitted & (1U << CAP_SYS_ADMIN_)) != 0;
    /* before is given only if kcmp(2) on the server has succeeded. Then this thread is in the
     * server's user namespace or in an ancestor (ptrace(2), "Ptrace access mode checking"), and the
     * old value holds. That costs a third of reading the link. */
    if (before != NULL)
        e->user = ((const struct extra *)before)->user;
    if (!all && before != NULL)
        return;
    fc_fds_lock();
    const struct namespaces of = open_namespaces(task);
    if (before == NULL)
        e->user = namespace_number(&of, "user");
    if (all) {
        e->network = namespace_number(&of, "net");
        e->ipc = namespace_number(&of, "ipc");
        e->uts = namespace_number(&of, "uts");
        e->cgroup = namespace_number(&of, "cgroup");
        if (e->root.mount == 0)
            e->mounts = namespace_number(&of, "mnt");
    }
    close_namespaces(&of);
    fc_fds_unlock();
}

bool fc_snapshot_extra(void *extra, const struct fc_credentials *now, const void *before)
{
    struct extra e;
    memset(&e, 0, sizeof e);
    const bool is_known = take_sandbox(&e);
    e.root = place_of("/");
    e.directory = place_of(".");
    take_namespaces(&e, THIS_TASK, now, before);
    memcpy(extra, &e, sizeof e);
    return is_known;
}

/* ---- Another thread of this process ---------------------------------------------------------- */

/* "Uid:\t0\t0\t0\t0": in the order of struct fc_credentials. */
static void read_ids(const char *text, const char *name, uint32_t ids[FC_IDS])
{
    const char *at = status_line(text, name);
    for (int i = 0; at != NULL && i < FC_IDS; i++) {
        char *end;
        ids[i] = (uint32_t)strtoull(at, &end, 10);
        at = end;
    }
}

static void read_groups(const char *text, struct fc_credentials *c)
{
    const char *at = status_line(text, "\nGroups:");
    c->groups_hash = 0;
    c->groups = 0;
    while (at != NULL && *at != '\n' && *at != '\0') {
        char *end;
        const uint32_t group = (uint32_t)strtoull(at, &end, 10);
        if (end == at)
            break;
        c->groups_hash = fc_hash(c->groups == 0 ? FC_HASH_START : c->groups_hash, &group, sizeof group);
        c->groups++;
        at = *end == ' ' ? end + 1 : end;
    }
}

static void read_capabilities(const char *text, struct fc_credentials *c)
{
    static const char *const names[] = {"\nCapEff:", "\nCapPrm:", "\nCapInh:"};
    uint64_t set[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++) {
        const char *line = status_line(text, names[i]);
        set[i] = line != NULL ? strtoull(line, NULL, 16) : 0;
    }
    for (int i = 0; i < 2; i++)
        c->word[i] = (struct fc_capability_word){.effective = (uint32_t)(set[0] >> i * 32),
                                                 .permitted = (uint32_t)(set[1] >> i * 32),
                                                 .inheritable = (uint32_t)(set[2] >> i * 32)};
}

static bool umask_fits(const char *text, unsigned umask)
{
    return umask_of(text) == 0 || umask == 0 || umask_of(text) == umask;
}

/* Compares the task with the snapshot. What the kernel does not tell of another thread (ambient
 * capabilities, securebits, MDWE) is assumed to be unchanged. */
static bool task_fits(const char *task, const struct extra *then, const struct fc_credentials *had, unsigned umask)
{
    char path[TASK_SIZE + 8];
    struct fc_credentials now = *had;
    struct extra e = *then;
    char *text = read_status(task);
    if (text == NULL)
        return false;
    read_ids(text, "\nUid:", now.user);
    read_ids(text, "\nGid:", now.group);
    read_groups(text, &now);
    read_capabilities(text, &now);
    e.no_new_privs = (int)status_number(text, "\nNoNewPrivs:", 10);
    e.seccomp = (int)status_number(text, "\nSeccomp:", 10);
    if (e.seccomp == SECCOMP_FILTER)
        e.seccomp_filters = (int)status_number(text, "\nSeccomp_filters:", 10);
    const bool has_umask = umask_fits(text, umask);
    free(text);
    if (!has_umask || !fc_credentials_can_regain(&now, had) || memcmp(&e, then, sizeof e) != 0)
        return false;
    snprintf(path, sizeof path, "%s/root", task);
    e.root = place_of(path);
    snprintf(path, sizeof path, "%s/cwd", task);
    e.directory = place_of(path);
    take_namespaces(&e, task, &now, NULL);
    return memcmp(&e, then, sizeof e) == 0;
}

/* Lists the other threads of this process, as many as there is memory for. Free the list. */
static size_t list_tasks(long **ids)
{
    struct stat status;
    /* ".", "..", one for each thread, and some for threads that begin now. */
    const size_t room = 16 + (stat("/proc/self/task", &status) == 0 ? (size_t)status.st_nlink : 0);
    *ids = malloc(room * sizeof **ids);
    const long count = *ids != NULL ? fc_thread_list(*ids, room) : 0;
    return count < 0 ? 0 : (size_t)count < room ? (size_t)count : room;
}

bool fc_snapshot_fits_other(const void *extra, const struct fc_credentials *then, unsigned umask)
{
    struct extra e;
    bool fits = false;
    long *ids;
    const size_t count = list_tasks(&ids);
    memcpy(&e, extra, sizeof e);
    for (size_t i = 0; i < count && !fits; i++) {
        char task[TASK_SIZE];
        snprintf(task, sizeof task, "/proc/self/task/%ld", ids[i]);
        fits = task_fits(task, &e, then, umask);
    }
    free(ids);
    return fits;
}

/* ---- The session's keyring ------------------------------------------------------------------- */

static int32_t keyring_of_session(void)
{
    const long session = syscall(SYS_keyctl, GET_KEYRING_ID, SESSION_KEYRING, 0);
    return session > 0 && session != syscall(SYS_keyctl, GET_KEYRING_ID, USER_SESSION_KEYRING, 0) ? (int32_t)session
                                                                                                  : 0;
}

/* Asking for the session keyring of a thread that has none gives the thread one (keyrings(7)),
 * which it must not keep. So a forked child asks. If no child can be made, this process asks after
 * all. */
int32_t fc_snapshot_keyring(void)
{
    int32_t *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const pid_t pid = told != MAP_FAILED ? fork() : -1;
    if (pid < 0) {
        if (told != MAP_FAILED)
            munmap(told, sizeof *told);
        return keyring_of_session();
    }
    if (pid == 0) {
        *told = keyring_of_session();
        _exit(0);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    const int32_t session = *told;
    munmap(told, sizeof *told);
    return session;
}

/* A thread can search the keyring only if it reaches it from a keyring of its own: the permissions
 * give that right to nobody else (keyrings(7), "Possession"). The keyring is named by its number,
 * so no keyring is made. */
bool fc_snapshot_possesses(int32_t keyring)
{
    return syscall(SYS_keyctl, GET_KEYRING_ID, keyring, 0) == keyring;
}
