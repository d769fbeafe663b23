#include "snapshot.h"

#include "hash.h"
#include "hazard.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define GROUPS_USUAL 256

struct place {
    dev_t device;
    ino_t inode;
};

struct stream {
    bool open;
    struct place file;
    mode_t type;
    int access; /* the same device, or the other end of a pipe, may be open for something else */
};

/* All 0 before it is filled, padding too: compared by memcmp. What is not here is in the platform's file, which asks for it in the
 * cheapest way: this is done at every call. */
struct fc_snapshot {
    pid_t holder;
    bool may_look; /* when the holder was known, this process might look at it */
    pid_t session;
    int groups;
    uint64_t groups_hash;
    unsigned umask;
    struct stream stream[3];
    struct rlimit limit[16];
    _Alignas(uint64_t) unsigned char extra[FC_SNAPSHOT_EXTRA];
};

#ifdef __GLIBC__
typedef __rlimit_resource_t resource_t; /* an enum there, where the compiler looks */
#else
typedef int resource_t;
#endif

static const resource_t limits[] = {
    RLIMIT_CPU,        RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_AS,
#ifdef RLIMIT_NPROC
    RLIMIT_NPROC,
#endif
#ifdef RLIMIT_MEMLOCK
    RLIMIT_MEMLOCK,
#endif
#ifdef RLIMIT_SIGPENDING
    RLIMIT_SIGPENDING,
#endif
#ifdef RLIMIT_MSGQUEUE
    RLIMIT_MSGQUEUE,
#endif
#ifdef RLIMIT_NICE
    RLIMIT_NICE,
#endif
#ifdef RLIMIT_RTPRIO
    RLIMIT_RTPRIO,
#endif
#ifdef RLIMIT_RTTIME
    RLIMIT_RTTIME,
#endif
};

static void take_groups(struct fc_snapshot *s)
{
    gid_t usual[GROUPS_USUAL];
    gid_t *list = usual;
    s->groups = getgroups(GROUPS_USUAL, usual);
    if (s->groups < 0) { /* more */
        const int count = getgroups(0, NULL);
        list = count > 0 ? malloc((size_t)count * sizeof *list) : NULL;
        s->groups = list != NULL ? getgroups(count, list) : -1;
    }
    if (s->groups > 0)
        s->groups_hash = fc_hash(FC_HASH_START, list, (size_t)s->groups * sizeof *list);
    if (list != usual)
        free(list);
}

/* Other threads must not see another umask, nor handlers of this one. */
static unsigned umask_now(void)
{
    sigset_t all, old;
    if (fc_has_other_threads())
        return fc_snapshot_umask();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const mode_t mask = umask(077);
    umask(mask);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return (unsigned)mask | FC_SNAPSHOT_UMASK_KNOWN;
}

static void take_stream(struct stream *stream, int fd)
{
    struct stat file;
    if (fstat(fd, &file) < 0)
        return;
    stream->open = true;
    stream->file.device = file.st_dev;
    stream->file.inode = file.st_ino;
    stream->type = file.st_mode & S_IFMT;
    stream->access = fcntl(fd, F_GETFL) & O_ACCMODE;
}

static void fill(struct fc_snapshot *s, const struct fc_snapshot *before)
{
    memset(s, 0, sizeof *s);
    s->session = getsid(0);
    take_groups(s);
    s->umask = umask_now();
    for (int fd = 0; fd < 3; fd++)
        take_stream(&s->stream[fd], fd);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        getrlimit(limits[i], &s->limit[i]);
    fc_snapshot_extra(s->extra, before != NULL ? before->extra : NULL);
}

struct fc_snapshot *fc_snapshot_take(void)
{
    struct fc_snapshot *snapshot = malloc(sizeof *snapshot);
    if (snapshot != NULL)
        fill(snapshot, NULL);
    return snapshot;
}

void fc_snapshot_set_holder(struct fc_snapshot *snapshot, pid_t holder)
{
    snapshot->holder = holder;
    snapshot->may_look = fc_snapshot_may_look(holder);
}

bool fc_snapshot_holds(const struct fc_snapshot *snapshot)
{
    struct fc_snapshot now;
    const void *left = snapshot; /* as bytes: see the struct */
    const void *right = &now;
    const bool may_look = fc_snapshot_may_look(snapshot->holder);
    if (snapshot->may_look && !may_look)
        return false;
    fill(&now, may_look ? snapshot : NULL);
    now.holder = snapshot->holder;
    now.may_look = snapshot->may_look;
    if ((snapshot->umask & now.umask & FC_SNAPSHOT_UMASK_KNOWN) == 0)
        now.umask = snapshot->umask;
    if (memcmp(left, right, sizeof now) != 0)
        return false;
    for (int fd = 0; fd < 3; fd++)
        if (now.stream[fd].open && S_ISREG(now.stream[fd].type) && !fc_snapshot_is_same_file(fd, snapshot->holder))
            return false;
    return true;
}

void fc_snapshot_free(struct fc_snapshot *snapshot)
{
    free(snapshot);
}
