/* Replaces functions of the C library by functions that can be made to fail. */
#include "fault.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define BOARD_NAME "FORKCALL_TEST_FAULTS"
#define PROCESSES_MAX 64

/* Lies in a memory file that all processes of a test map, so that it disappears with the last of
 * them, however they end. */
static struct shared {
    atomic_int fault; /* -1: no fault is armed */
    atomic_int left;
    atomic_int error;
    atomic_uint roles;
    atomic_bool fired;
    atomic_uint runs;
    atomic_int process_count;
    atomic_int process[PROCESSES_MAX];
} * shared;

static enum fault_role role = FAULT_IN_HOST;

void *__real_mmap(void *, size_t, int, int, int, off_t);
pid_t __real_fork(void);

static struct shared *map(int fd)
{
    const int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
    void *memory = __real_mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, flags, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void note_process(void)
{
    const int i = atomic_fetch_add(&shared->process_count, 1);
    if (i < PROCESSES_MAX)
        atomic_store(&shared->process[i], (int)getpid());
}

/* Runs in a process that the library has exec'ed, before main and before the library's own code. */
__attribute__((constructor)) static void begin_execed(void)
{
    const char *path = getenv(BOARD_NAME);
    const int fd = path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    shared = map(fd);
    close(fd);
    role = FAULT_IN_EXECED;
    if (shared != NULL)
        note_process();
}

bool fault_begin_host(void)
{
    char path[64];
    const int fd = memfd_create("faults", MFD_CLOEXEC);
    static const struct shared empty = {.fault = -1};
    if (fd < 0)
        return false;
    /* The other processes open the file through this process's descriptor. */
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
    const bool written = write(fd, &empty, sizeof empty) == sizeof empty && setenv(BOARD_NAME, path, 1) == 0;
    shared = written ? map(fd) : NULL;
    role = FAULT_IN_HOST;
    return shared != NULL;
}

int fault_processes(void)
{
    int living = 0;
    const int count = atomic_load(&shared->process_count);
    for (int i = 0; i < count && i < PROCESSES_MAX; i++) {
        const int pid = atomic_load(&shared->process[i]);
        living += pid > 0 && process_lives(pid);
    }
    return living;
}

void fault_note_run(void)
{
    if (shared != NULL)
        atomic_fetch_add(&shared->runs, 1);
}

unsigned fault_runs(void)
{
    return atomic_load(&shared->runs);
}

void fault_arm_in(unsigned roles, enum fault fault, int n, int error)
{
    if (shared == NULL)
        shared = map(-1);
    if (shared == NULL)
        abort();
    atomic_store(&shared->fault, -1);
    atomic_store(&shared->runs, 0);
    atomic_store(&shared->fired, false);
    if (error != 0) /* a call that is failing just now must not find 0 */
        atomic_store(&shared->error, error);
    atomic_store(&shared->left, n);
    atomic_store(&shared->roles, roles);
    atomic_store(&shared->fault, (int)fault);
}

void fault_arm(enum fault fault, int n, int error)
{
    fault_arm_in(FAULT_IN_HOST | FAULT_IN_FORK_CHILD, fault, n, error);
}

bool fault_disarm(void)
{
    atomic_store(&shared->fault, -1);
    return atomic_load(&shared->fired);
}

/* True: this call is the one that must fail. */
static bool fails(enum fault fault)
{
    if (shared == NULL || atomic_load(&shared->fault) != (int)fault || (atomic_load(&shared->roles) & role) == 0 ||
        atomic_fetch_sub(&shared->left, 1) != 1)
        return false;
    atomic_store(&shared->fired, true);
    errno = atomic_load(&shared->error);
    return true;
}

static enum fault_role role_of_child(void)
{
    switch (role) {
    case FAULT_IN_EXECED:
        return FAULT_IN_SERVER;
    case FAULT_IN_SERVER:
    case FAULT_IN_SERVER_CHILD:
        return FAULT_IN_SERVER_CHILD;
    default:
        return FAULT_IN_FORK_CHILD;
    }
}

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's

#define WRAP(fault, type, failure, name, parameters, arguments)    \
    type __real_##name parameters;                                 \
    type __wrap_##name parameters;                                 \
    type __wrap_##name parameters                                  \
    {                                                              \
        return fails(fault) ? (failure) : __real_##name arguments; \
    }

/* If a compiler option makes off_t 64 bits wide, the same function has another name. */
#define WRAP64(fault, type, failure, name, parameters, arguments) \
    WRAP(fault, type, failure, name, parameters, arguments)       \
    type __wrap_##name##64 parameters;                            \
    type __wrap_##name##64 parameters                             \
    {                                                             \
        return __wrap_##name arguments;                           \
    }

WRAP(FAULT_PIPE, int, -1, pipe2, (int ends[2], int flags), (ends, flags))
WRAP(FAULT_MEMFD, int, -1, memfd_create, (const char *name, unsigned flags), (name, flags))
WRAP(FAULT_SETPGID, int, -1, setpgid, (pid_t pid, pid_t group), (pid, group))
WRAP(FAULT_MALLOC, void *, NULL, malloc, (size_t size), (size))
WRAP(FAULT_MALLOC, void *, NULL, calloc, (size_t count, size_t size), (count, size))
WRAP(FAULT_MALLOC, void *, NULL, realloc, (void *old, size_t size), (old, size))
WRAP64(FAULT_FTRUNCATE, int, -1, ftruncate, (int fd, off_t size), (fd, size))
WRAP(FAULT_TIMERFD, int, -1, timerfd_create, (int clock, int flags), (clock, flags))
WRAP(FAULT_EVENTFD, int, -1, eventfd, (unsigned count, int flags), (count, flags))
WRAP(FAULT_EPOLL_CREATE, int, -1, epoll_create1, (int flags), (flags))
WRAP(FAULT_EPOLL_CTL, int, -1, epoll_ctl, (int fd, int op, int of, struct epoll_event *e), (fd, op, of, e))
WRAP(FAULT_DUP2, int, -1, dup2, (int from, int to), (from, to))
WRAP(FAULT_SIGACTION, int, -1, sigaction, (int s, const struct sigaction *a, struct sigaction *old), (s, a, old))
WRAP(FAULT_READ, ssize_t, -1, read, (int fd, void *data, size_t size), (fd, data, size))
WRAP(FAULT_WRITEV, ssize_t, -1, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRAP(FAULT_POLL, int, -1, poll, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
WRAP(FAULT_SOCKETPAIR, int, -1, socketpair, (int domain, int type, int protocol, int ends[2]),
     (domain, type, protocol, ends))
WRAP(FAULT_SENDMSG, ssize_t, -1, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(FAULT_RECVMSG, ssize_t, -1, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
WRAP(FAULT_WRITE, ssize_t, -1, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(FAULT_PRCTL, int, -1, prctl, (int option, long a, long b, long c, long d), (option, a, b, c, d))
WRAP(FAULT_SIGALTSTACK, int, -1, sigaltstack, (const stack_t *stack, stack_t *old), (stack, old))
WRAP(FAULT_GETSOCKOPT, int, -1, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size))
WRAP(FAULT_READLINK, ssize_t, -1, readlink, (const char *path, char *text, size_t size), (path, text, size))
WRAP(FAULT_WAITID, int, -1, waitid, (idtype_t type, id_t id, siginfo_t *info, int flags), (type, id, info, flags))
WRAP(FAULT_WAITPID, pid_t, -1, waitpid, (pid_t pid, int *status, int flags), (pid, status, flags))
WRAP(FAULT_EXECUTABLE_PATH, char *, NULL, realpath, (const char *path, char *absolute), (path, absolute))
WRAP(FAULT_ATEXIT, int, -1, __cxa_atexit, (void (*function)(void *), void *object, void *dso), (function, object, dso))
#ifdef __GLIBC__
WRAP(FAULT_ATEXIT, int, -1, on_exit, (void (*function)(int, void *), void *object), (function, object))
#else
WRAP(FAULT_ATEXIT, int, -1, atexit, (void (*function)(void)), (function))
#endif
WRAP64(FAULT_STAT, int, -1, stat, (const char *path, struct stat *status), (path, status))
WRAP64(FAULT_STAT, int, -1, fstat, (int fd, struct stat *status), (fd, status))
WRAP64(FAULT_FOPEN, FILE *, NULL, fopen, (const char *path, const char *mode), (path, mode))
WRAP64(FAULT_PREAD, ssize_t, -1, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at))
WRAP64(FAULT_GETRLIMIT, int, -1, getrlimit, (int resource, struct rlimit *limit), (resource, limit))

pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    if (fails(FAULT_FORK))
        return -1;
    const enum fault_role next = role_of_child();
    const pid_t pid = __real_fork();
    if (pid == 0) {
        role = next;
        if (shared != NULL && next != FAULT_IN_FORK_CHILD)
            note_process();
    }
    return pid;
}

/* posix_spawn() returns the error. */
WRAP(FAULT_SPAWN, int, errno, posix_spawn,
     (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
      char *const *arguments, char *const *environment),
     (pid, path, actions, attributes, arguments, environment))
#define MMAP_PARAMETERS (void *at, size_t size, int protection, int flags, int fd, off_t offset)
WRAP64(FAULT_MMAP, void *, MAP_FAILED, mmap, MMAP_PARAMETERS, (at, size, protection, flags, fd, offset))

/* The C library declares these resources as an enum; the linker only looks at the name. */
WRAP64(FAULT_SETRLIMIT, int, -1, setrlimit, (int resource, const struct rlimit *limit), (resource, limit))

/* The third argument of these functions is an int or a pointer: both are passed on as a long,
 * which uses the same register. */
WRAP64(FAULT_OPEN, int, -1, open, (const char *path, int flags, long mode), (path, flags, mode))

/* F_GETFD does not fail: it can fail only if the number is no open descriptor. */
int __real_fcntl(int fd, int command, long argument);
int __wrap_fcntl(int fd, int command, long argument);
int __wrap_fcntl64(int fd, int command, long argument);
int __wrap_fcntl(int fd, int command, long argument)
{
    return command != F_GETFD && fails(FAULT_FCNTL) ? -1 : __real_fcntl(fd, command, argument);
}
int __wrap_fcntl64(int fd, int command, long argument)
{
    return __wrap_fcntl(fd, command, argument);
}

/* The function that a system call number stands for. */
static enum fault fault_of(long number)
{
    static const struct {
        long number;
        enum fault fault;
    } numbers[] = {
        {SYS_pidfd_open, FAULT_PIDFD}, {SYS_writev, FAULT_WRITEV}, {SYS_read, FAULT_READ},   {SYS_fcntl, FAULT_FCNTL},
        {SYS_waitid, FAULT_WAITID},    {SYS_write, FAULT_WRITE},   {SYS_prctl, FAULT_PRCTL},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].number == number)
            return numbers[i].fault;
    return FAULT_COUNT;
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    const enum fault fault = fault_of(number);
    return fault != FAULT_COUNT && fails(fault) ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
