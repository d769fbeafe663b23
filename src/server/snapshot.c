/* HOST: Notes what a server inherits from its host, and compares it at each call. */
#include "server/snapshot.h"

#include "base/rlimits.h"
#include "os/threads.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct place {
    dev_t device;
    ino_t inode;
};

struct stream {
    bool open;
    struct place file;
    mode_t type;
    int access; /* another open of the same device or pipe may have another access mode */
};

/* What all threads of the process share. It is taken at every call, so only cheap system calls are
 * used. The padding is 0, because the struct is compared by memcmp. */
struct shared {
    pid_t session;
    struct stream stream[3];
    struct rlimit limit[16];
};

enum ptrace_access { NOT_ASKED, CAN_PTRACE, CANNOT_PTRACE };

struct fc_snapshot {
    pid_t pid;
    /* Whether the thread that took the snapshot could look at the server as a debugger may. */
    atomic_int ptrace_access;
    bool is_known; /* extra is complete */
    struct fc_server_rights server;
    unsigned umask;
    struct shared shared;
    struct fc_credentials credentials;
    _Alignas(uint64_t) unsigned char extra[FC_SNAPSHOT_EXTRA];
};

static const fc_resource limits[] = {
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

/* Neither other threads nor this thread's signal handlers may see the umask that is set for a
 * moment. */
static unsigned umask_now(void)
{
    sigset_t all, old;
    if (fc_may_have_other_threads())
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

static void take_shared(struct shared *s)
{
    memset(s, 0, sizeof *s);
    s->session = getsid(0);
    for (int fd = 0; fd < 3; fd++)
        take_stream(&s->stream[fd], fd);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        getrlimit(limits[i], &s->limit[i]);
}

void fc_server_rights_take(struct fc_server_rights *server)
{
    memset(server, 0, sizeof *server);
    fc_credentials_take(&server->credentials);
    server->session_keyring = fc_snapshot_keyring();
}

struct fc_snapshot *fc_snapshot_take(void)
{
    struct fc_snapshot *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->umask = umask_now();
    take_shared(&s->shared);
    fc_credentials_take(&s->credentials);
    s->is_known = fc_snapshot_extra(s->extra, &s->credentials, NULL);
    return s;
}

const struct fc_credentials *fc_snapshot_credentials(const struct fc_snapshot *snapshot)
{
    return &snapshot->credentials;
}

void fc_snapshot_set_server(struct fc_snapshot *snapshot, pid_t pid, const struct fc_server_rights *server)
{
    snapshot->pid = pid;
    snapshot->server = *server;
}

void fc_snapshot_note_ptrace(struct fc_snapshot *snapshot)
{
    atomic_store(&snapshot->ptrace_access,
                 fc_snapshot_can_ptrace(getpid(), snapshot->pid) ? CAN_PTRACE : CANNOT_PTRACE);
}

/* ---- At a call ------------------------------------------------------------------------------- */

static bool shared_is_same(const struct fc_snapshot *snapshot, pid_t self)
{
    struct shared now;
    const void *left = &snapshot->shared; /* compared as bytes, see struct shared */
    const void *right = &now;
    take_shared(&now);
    if (memcmp(left, right, sizeof now) != 0)
        return false;
    for (int fd = 0; fd < 3; fd++)
        if (now.stream[fd].open && S_ISREG(now.stream[fd].type) && !fc_snapshot_is_same_file(fd, self, snapshot->pid))
            return false;
    return true;
}

static bool umask_is_same(const struct fc_snapshot *snapshot)
{
    const unsigned now = umask_now();
    return (snapshot->umask & now & FC_SNAPSHOT_UMASK_KNOWN) == 0 || snapshot->umask == now;
}

/* A thread that may not look at the server fits if the thread that took the snapshot might not look
 * at it either. Before fc_snapshot_note_ptrace has told, it fits if no thread may look even at its
 * own process: then nothing can be found out in this way. */
static bool ptrace_fits(const struct fc_snapshot *snapshot, pid_t self, bool can_ptrace)
{
    const int then = atomic_load(&snapshot->ptrace_access);
    return can_ptrace || then == CANNOT_PTRACE || (then == NOT_ASKED && !fc_snapshot_can_ptrace(self, self));
}

static bool thread_fits(const struct fc_snapshot *snapshot, pid_t self, const struct fc_credentials *now,
                        bool *is_known)
{
    _Alignas(uint64_t) unsigned char extra[FC_SNAPSHOT_EXTRA] = {0};
    const bool can_ptrace = fc_snapshot_can_ptrace(self, snapshot->pid);
    *is_known = true;
    if (!ptrace_fits(snapshot, self, can_ptrace))
        return false;
    if (memcmp(now, &snapshot->credentials, sizeof *now) != 0 &&
        !(fc_credentials_can_regain(now, &snapshot->credentials) &&
          fc_credentials_can_become(&snapshot->server.credentials, now)))
        return false;
    *is_known = fc_snapshot_extra(extra, now, can_ptrace ? snapshot->extra : NULL) && snapshot->is_known;
    return *is_known && memcmp(extra, snapshot->extra, sizeof extra) == 0 && umask_is_same(snapshot) &&
           (snapshot->server.session_keyring == 0 || fc_snapshot_possesses(snapshot->server.session_keyring));
}

enum fc_fit fc_snapshot_fits(const struct fc_snapshot *snapshot, pid_t self, struct fc_credentials *now)
{
    fc_credentials_take(now);
    if (!shared_is_same(snapshot, self))
        return FC_FITS_NOBODY;
    bool is_known;
    if (thread_fits(snapshot, self, now, &is_known))
        return FC_FITS;
    if (!is_known) /* another server would be no better, so this call gets a process of its own */
        return FC_FITS_OTHERS;
    const bool others =
        fc_has_other_threads() && fc_snapshot_fits_other(snapshot->extra, &snapshot->credentials, snapshot->umask);
    return others ? FC_FITS_OTHERS : FC_FITS_NOBODY;
}

void fc_snapshot_free(struct fc_snapshot *snapshot)
{
    free(snapshot);
}
