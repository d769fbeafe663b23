/* Makes the n-th call of one function of the C library fail, in the processes of one role. The
 * linker replaces the functions (--wrap), in the library's code as well as in the test's. */
#ifndef FAULT_H
#define FAULT_H

#include "time_factor.h"

#include <stdbool.h>

/* The time in which a call must end, whatever fails. */
#define BOUND_MS (20000 * time_factor())

enum fault {
    FAULT_PIPE,
    FAULT_FCNTL,
    FAULT_MEMFD,
    FAULT_FORK,
    FAULT_PIDFD,
    FAULT_SETPGID,
    FAULT_MALLOC, /* and calloc and realloc */
    FAULT_MMAP,
    FAULT_FTRUNCATE,
    FAULT_TIMERFD,
    FAULT_EVENTFD,
    FAULT_EPOLL_CREATE,
    FAULT_EPOLL_CTL,
    FAULT_DUP2,
    FAULT_OPEN,
    FAULT_SETRLIMIT,
    FAULT_SIGACTION,
    FAULT_READ,
    FAULT_WRITEV,
    FAULT_POLL,
    FAULT_SOCKETPAIR,
    FAULT_SENDMSG,
    FAULT_RECVMSG,
    FAULT_SPAWN,
    FAULT_WRITE,
    FAULT_PRCTL,
    FAULT_SIGALTSTACK,
    FAULT_GETSOCKOPT,
    FAULT_READLINK,
    FAULT_STAT, /* and fstat */
    FAULT_FOPEN,
    FAULT_WAITID, /* by the C library's function and by system call */
    FAULT_WAITPID,
    FAULT_GETRLIMIT,
    FAULT_PREAD,
    FAULT_EXECUTABLE_PATH, /* realpath */
    FAULT_ATEXIT,          /* and on_exit */
    FAULT_COUNT
};

/* The process of a call in which the fault happens. */
enum fault_role {
    FAULT_IN_HOST = 1,
    FAULT_IN_FORK_CHILD = 2, /* and its forks */
    /* The re-executed program: the child of SPAWN, and the server until it forks. */
    FAULT_IN_EXECED = 4,
    FAULT_IN_SERVER = 8,
    FAULT_IN_SERVER_CHILD = 16,
};

/* Makes this process the host, whatever has forked it. The other processes learn the faults from a
 * memory file, whose path is in the environment: call this before a server is started. False: the
 * file cannot be made. */
bool fault_begin_host(void);
/* Returns how many processes of the other roles were started since then and still live. */
int fault_processes(void);
/* Returns how often a function of the test has called fault_note_run() since fault_arm(). */
void fault_note_run(void);
unsigned fault_runs(void);

/* The same as fault_arm(), for the processes of these roles. */
void fault_arm_in(unsigned roles, enum fault fault, int n, int error);

/* From now on, the n-th (from 1) call fails once with error, in the host and the FORK child, which
 * share the count. */
void fault_arm(enum fault fault, int n, int error);
/* Disarms the fault. True: the fault has happened. */
bool fault_disarm(void);

#endif
