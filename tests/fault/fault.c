#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

static struct shared {
    atomic_int fault; /* -1: none */
    atomic_int left;
    atomic_int error;
    atomic_bool fired;
} * shared;

void *__real_mmap(void *, size_t, int, int, int, off_t);

void fault_arm(enum fault fault, int n, int error)
{
    if (shared == NULL) {
        void *memory = __real_mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            abort();
        shared = memory;
    }
    atomic_store(&shared->fired, false);
    atomic_store(&shared->error, error);
    atomic_store(&shared->left, n);
    atomic_store(&shared->fault, (int)fault);
}

bool fault_disarm(void)
{
    atomic_store(&shared->fault, -1);
    return atomic_load(&shared->fired);
}

/* True: this call is the one. */
static bool fails(enum fault fault)
{
    if (shared == NULL || atomic_load(&shared->fault) != (int)fault || atomic_fetch_sub(&shared->left, 1) != 1)
        return false;
    atomic_store(&shared->fired, true);
    errno = atomic_load(&shared->error);
    return true;
}

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's

#define WRAP(fault, type, failure, name, parameters, arguments)    \
    type __real_##name parameters;                                 \
    type __wrap_##name parameters;                                 \
    type __wrap_##name parameters                                  \
    {                                                              \
        return fails(fault) ? (failure) : __real_##name arguments; \
    }

/* Where off_t has 64 bits by the compiler's option, the same goes by another name. */
#define WRAP64(fault, type, failure, name, parameters, arguments) \
    WRAP(fault, type, failure, name, parameters, arguments)       \
    type __wrap_##name##64 parameters;                            \
    type __wrap_##name##64 parameters                             \
    {                                                             \
        return __wrap_##name arguments;                           \
    }

WRAP(FAULT_PIPE, int, -1, pipe2, (int ends[2], int flags), (ends, flags))
WRAP(FAULT_MEMFD, int, -1, memfd_create, (const char *name, unsigned flags), (name, flags))
WRAP(FAULT_FORK, pid_t, -1, fork, (void), ())
WRAP(FAULT_SETPGID, int, -1, setpgid, (pid_t pid, pid_t group), (pid, group))
WRAP(FAULT_MALLOC, void *, NULL, malloc, (size_t size), (size))
WRAP(FAULT_MALLOC, void *, NULL, calloc, (size_t count, size_t size), (count, size))
WRAP(FAULT_MALLOC, void *, NULL, realloc, (void *old, size_t size), (old, size))
WRAP64(FAULT_FTRUNCATE, int, -1, ftruncate, (int fd, off_t size), (fd, size))
WRAP(FAULT_TIMERFD, int, -1, timerfd_create, (int clock, int flags), (clock, flags))
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
/* It returns the error. */
WRAP(FAULT_SPAWN, int, errno, posix_spawn,
     (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
      char *const *arguments, char *const *environment),
     (pid, path, actions, attributes, arguments, environment))
#define MMAP_PARAMETERS (void *at, size_t size, int protection, int flags, int fd, off_t offset)
WRAP64(FAULT_MMAP, void *, MAP_FAILED, mmap, MMAP_PARAMETERS, (at, size, protection, flags, fd, offset))

/* The C library calls these resources an enum, which the linker does not mind. */
WRAP64(FAULT_SETRLIMIT, int, -1, setrlimit, (int resource, const struct rlimit *limit), (resource, limit))

/* The third argument of these is passed on whatever it is: an int or a pointer, in the register of a long. */
WRAP64(FAULT_OPEN, int, -1, open, (const char *path, int flags, long mode), (path, flags, mode))

/* F_GETFD fails for what is no descriptor alone. */
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

/* The same by number. */
static enum fault fault_of(long number)
{
    static const struct {
        long number;
        enum fault fault;
    } numbers[] = {
        {SYS_pidfd_open, FAULT_PIDFD},
        {SYS_writev, FAULT_WRITEV},
        {SYS_read, FAULT_READ},
        {SYS_fcntl, FAULT_FCNTL},
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
