/* HOST: Starts this program by posix_spawn(3): its attributes, file actions and environment. */
#include "exec/spawn_self.h"

#include "base/descriptors.h"
#include "config.h"
#include "exec/exec_mark.h"
#include "os/credentials.h"
#include "os/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef HAVE_CRT_EXTERNS
#include <crt_externs.h>
#undef environ
#define environ (*_NSGetEnviron()) /* a macOS library cannot use environ itself */
#elif !defined HAVE_ENVIRON
extern char **environ;
#endif

/* How often a list of descriptors may be outdated when it is used. */
#define TRIES 5

static char *program_name(void)
{
#ifdef HAVE_PROGRAM_INVOCATION_NAME
    return program_invocation_name;
#else
    return (char *)(uintptr_t)getprogname();
#endif
}

/* The environment of this process with the marker; NULL: no memory. */
static char **environment_with(const char *marker)
{
    const size_t name_size = (size_t)(strchr(marker, '=') - marker) + 1;
    size_t count = 0;
    size_t kept = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    char **with = malloc((count + 2) * sizeof *with);
    if (with == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], marker, name_size) != 0) /* an inherited marker is left out */
            with[kept++] = environ[i];
    with[kept] = (char *)(uintptr_t)marker;
    with[kept + 1] = NULL;
    return with;
}

/* Keeps standard streams open that are close-on-exec in the host, as a fork would. Each is
 * duplicated to FC_EXEC_SELF_FD, which is not in use yet, and back. A dup2 action with the same
 * number twice would not do: macOS leaves close-on-exec as it was (XNU, bsd/kern/kern_exec.c
 * 3130). */
static int keep_streams(posix_spawn_file_actions_t *actions)
{
    int r = 0;
    for (int fd = 0; r == 0 && fd < 3; fd++) {
        const int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || (flags & FD_CLOEXEC) == 0)
            continue;
        r = posix_spawn_file_actions_adddup2(actions, fd, FC_EXEC_SELF_FD);
        if (r == 0)
            r = posix_spawn_file_actions_adddup2(actions, FC_EXEC_SELF_FD, fd);
    }
    return r;
}

static int set_descriptors(posix_spawn_file_actions_t *actions, int fd, short *flags)
{
    if (fd == FC_EXEC_SELF_FD) /* keep_streams would close it */
        return EINVAL;
    int r = keep_streams(actions);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(actions, fd, FC_EXEC_SELF_FD);
    return r != 0 ? r : fc_spawn_self_close_others(actions, flags);
}

static int set_attributes(posix_spawnattr_t *attributes, const sigset_t *mask, short flags)
{
    sigset_t all;
    sigfillset(&all);
    int r = posix_spawnattr_setsigdefault(attributes, &all);
    if (r == 0)
        r = posix_spawnattr_setsigmask(attributes, mask);
    if (r == 0)
        r = posix_spawnattr_setpgroup(attributes, 0);
    return r != 0 ? r : posix_spawnattr_setflags(attributes, flags);
}

/* The kernel treats a program as set-user-id (AT_SECURE) if the starting thread's effective user is
 * not its real one, or its file-system group is none of its groups. Each thread may take on its
 * real ids at any time. So the re-executed program starts with the real ids, and takes on the
 * others itself. */
static bool needs_real_ids(void)
{
    struct fc_credentials c;
    fc_credentials_take(&c);
    return c.user[FC_ID_EFFECTIVE] != c.user[FC_ID_REAL] || c.group[FC_ID_EFFECTIVE] != c.group[FC_ID_REAL] ||
           c.group[FC_ID_FILE] != c.group[FC_ID_EFFECTIVE];
}

static int start(const char *path, const char *name, char **environment, int fd, const sigset_t *mask, bool own_group,
                 pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *arguments[] = {name != NULL ? (char *)(uintptr_t)name : program_name(), NULL};
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    if (own_group)
        flags = (short)(flags | POSIX_SPAWN_SETPGROUP);
    const bool real_ids = needs_real_ids();
    /* Two threads must not do this at once: the second would take what the first has not restored
     * yet for the host's setting. */
    if (real_ids)
        fc_fds_fork_lock();
    const int dumpable = real_ids ? fc_settings_dumpable() : 0;
    if (real_ids)
        flags = (short)(flags | POSIX_SPAWN_RESETIDS);
    int r = posix_spawn_file_actions_init(&actions);
    const bool has_actions = r == 0;
    if (r == 0)
        r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        fc_spawn_self_begin();
        r = set_descriptors(&actions, fd, &flags);
        if (r == 0)
            r = set_attributes(&attributes, mask, flags);
        if (r == 0)
            r = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
        fc_spawn_self_end();
        posix_spawnattr_destroy(&attributes);
    }
    if (has_actions)
        posix_spawn_file_actions_destroy(&actions);
    if (real_ids) {
        fc_settings_set_dumpable(dumpable);
        fc_fds_fork_unlock();
    }
    return r;
}

/* The limit on descriptors was lowered since fd was opened. posix_spawn(3) refuses such numbers as
 * bad. */
static bool is_above_limit(int fd)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd >= limit.rlim_cur;
}

/* Tries again after EBADF: another thread has closed a descriptor that an action names, or lowered
 * the limit on descriptors, since they were listed. */
static int start_again(const char *path, const char *name, char **environment, int fd, const sigset_t *mask,
                       bool own_group, pid_t *pid)
{
    int r = EBADF;
    for (int i = 0; i < TRIES && r == EBADF; i++) {
        r = start(path, name, environment, fd, mask, own_group, pid);
        /* A sandbox may refuse setpgid(2). The new process then has no group of its own, as a
         * fork's child has not. */
        if (r == EPERM && own_group)
            r = start(path, name, environment, fd, mask, false, pid);
    }
    return r == EBADF && is_above_limit(fd) ? EMFILE : r;
}

int fc_spawn_self(const char *path, const char *name, const char *marker, int fd, bool own_group, pid_t *pid)
{
    char **environment = environment_with(marker);
    if (environment == NULL)
        return -ENOMEM;
    sigset_t mask;
    const unsigned long before = fc_exec_mark_begin(&mask);
    const int r = start_again(path, name, environment, fd, &mask, own_group, pid);
    fc_exec_mark_end(before);
    free(environment);
    return -r;
}
