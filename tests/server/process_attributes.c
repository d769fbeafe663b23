/* Reads and compares the attributes of a process that a child shares with its host. */
#include "process_attributes.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *const namespaces[] = {
    "user", "mnt", "net", "ipc", "uts", "cgroup", "pid_for_children", "time_for_children"};

static void fill_place(struct place *place, int fd, const char *path)
{
    struct stat file;
    if ((path != NULL ? stat(path, &file) : fstat(fd, &file)) < 0)
        return;
    place->device = file.st_dev;
    place->inode = file.st_ino;
    place->type = file.st_mode & S_IFMT;
#ifdef STATX_MNT_ID
    struct statx more;
    if (path != NULL && statx(AT_FDCWD, path, 0, STATX_MNT_ID, &more) == 0)
        place->mount = more.stx_mnt_id;
#endif
    if (path == NULL)
        place->access = fcntl(fd, F_GETFL) & O_ACCMODE;
    if (path == NULL && S_ISREG(file.st_mode))
        place->position = lseek(fd, 0, SEEK_CUR);
}

/* Reads the file mode creation mask without changing it. */
static unsigned umask_now(void)
{
    char line[256];
    unsigned mask = 0;
    FILE *file = fopen("/proc/thread-self/status", "re");
    if (file == NULL) {
        mask = (unsigned)umask(0);
        umask((mode_t)mask);
        return mask;
    }
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Umask:", 6) == 0)
            mask = (unsigned)strtoul(line + 6, NULL, 8);
    fclose(file);
    return mask;
}

static void fill_credentials(struct state *s)
{
    struct {
        uint32_t version;
        int pid;
    } header = {0x20080522U, 0};
    getresuid(&s->uid, &s->euid, &s->saved_uid);
    getresgid(&s->gid, &s->egid, &s->saved_gid);
    s->groups = getgroups(sizeof s->group / sizeof *s->group, s->group);
    syscall(SYS_capget, &header, s->capabilities);
    s->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    s->seccomp = prctl(PR_GET_SECCOMP);
    s->file_uid = (uid_t)setfsuid((uid_t)-1);
    s->file_gid = (gid_t)setfsgid((gid_t)-1);
    s->secure_bits = prctl(PR_GET_SECUREBITS);
    s->dumpable = prctl(PR_GET_DUMPABLE);
    for (int i = 0; i < 64; i++)
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1)
            s->ambient |= (uint64_t)1 << i;
}

static void fill_settings(struct state *s)
{
    struct sched_param scheduler;
    s->nice = getpriority(PRIO_PROCESS, 0);
    /* Musl's function of this name works for whole processes only. */
    s->policy = (int)syscall(SYS_sched_getscheduler, 0);
    if (syscall(SYS_sched_getparam, 0, &scheduler) == 0)
        s->priority = scheduler.sched_priority;
    s->io_priority = (int)syscall(SYS_ioprio_get, 1, 0);
    s->timer_slack = prctl(PR_GET_TIMERSLACK);
    s->personality = personality(0xffffffff);
    s->no_huge_pages = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
    if (syscall(SYS_get_mempolicy, &s->memory_mode, NULL, 0, NULL, 0) < 0)
        s->memory_mode = 0;
    if (syscall(SYS_sched_getaffinity, 0, sizeof s->processors, s->processors) < 0)
        memset(s->processors, 0, sizeof s->processors);
}

void state_fill(struct state *s)
{
    struct utsname names;
    memset(s, 0, sizeof *s);
    fill_credentials(s);
    fill_settings(s);
    fill_place(&s->root, -1, "/");
    for (int fd = 0; fd < 3; fd++)
        fill_place(&s->stream[fd], fd, NULL);
    if (getcwd(s->directory, sizeof s->directory) == NULL)
        s->directory[0] = '\0';
    if (uname(&names) == 0)
        memcpy(s->node, names.nodename, sizeof s->node);
    s->umask = umask_now();
    for (int i = 0; i < 16; i++) {
        struct rlimit limit;
        if (getrlimit((resource_t)i, &limit) < 0)
            continue;
        s->limits[i][0] = limit.rlim_cur;
        s->limits[i][1] = limit.rlim_max;
    }
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/thread-self/ns/%s", namespaces[i]);
        if (readlink(path, s->namespace[i], sizeof s->namespace[i] - 1) < 0)
            s->namespace[i][0] = '\0';
    }
}

/* Bytes can be compared because a struct state is cleared before it is filled, padding included. */
static bool same(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

#define TELL(field)                                             \
    do {                                                        \
        if (!same(&a->field, &b->field, sizeof a->field))       \
            fprintf(stderr, "the states differ: %s\n", #field); \
    } while (0)

bool state_is(const struct state *a, const struct state *b)
{
    if (same(a, b, sizeof *a))
        return true;
    TELL(uid);
    TELL(euid);
    TELL(saved_uid);
    TELL(file_uid);
    TELL(gid);
    TELL(egid);
    TELL(saved_gid);
    TELL(file_gid);
    TELL(group);
    TELL(root);
    TELL(stream[0]);
    TELL(stream[1]);
    TELL(stream[2]);
    TELL(directory);
    TELL(node);
    TELL(umask);
    TELL(limits);
    TELL(no_new_privs);
    TELL(seccomp);
    TELL(capabilities);
    TELL(ambient);
    TELL(secure_bits);
    TELL(dumpable);
    TELL(nice);
    TELL(policy);
    TELL(priority);
    TELL(io_priority);
    TELL(timer_slack);
    TELL(personality);
    TELL(no_huge_pages);
    TELL(memory_mode);
    TELL(processors);
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++)
        if (strcmp(a->namespace[i], b -> namespace[i]) != 0)
            fprintf(stderr, "the states differ: namespace %s: %s, %s\n", namespaces[i], a->namespace[i],
                    b -> namespace[i]);
    return false;
}

int child_tells_state(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct state state;
    (void)args;
    (void)args_size;
    state_fill(&state);
    return forkcall_buf_append(result, &state, sizeof state);
}
