/* Makes the n-th call of one function of the C library fail, in the processes of one role. The
 * functions are put in the place of the real ones by the linker (--wrap), for the library's code as
 * well as for the test's. */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>

/* In which a call must end, whatever fails. */
#define BOUND_MS 20000

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
    FAULT_WAITID, /* by the C library's function and by number */
    FAULT_WAITPID,
    FAULT_GETRLIMIT,
    FAULT_PREAD,
    FAULT_EXECUTABLE_PATH, /* realpath */
    FAULT_ATEXIT,          /* and on_exit */
    FAULT_COUNT
};

/* Which process of a call it is. */
enum fault_role {
    FAULT_IN_HOST = 1,
    FAULT_IN_FORK_CHILD = 2, /* and what it forks */
    /* The program started again: the SPAWN child, and the server until it forks itself. */
    FAULT_IN_EXECED = 4,
    FAULT_IN_SERVER = 8,
    FAULT_IN_SERVER_CHILD = 16,
};

/* From now on this process is the host, whatever forked it. The other processes are told the faults
 * through a memory file, whose path is in the environment: call it before a server is started.
 * False: no file can be had. */
bool fault_begin_host(void);
/* Processes of the other roles that were started since, and live. */
int fault_processes(void);
/* How often a function of the test's has called fault_note_run since fault_arm. */
void fault_note_run(void);
unsigned fault_runs(void);

/* As fault_arm, in the processes of these roles. */
void fault_arm_in(unsigned roles, enum fault fault, int n, int error);

/* From now on, the n-th (from 1) call fails with error, once, in the host and the FORK child, which
 * share the count. */
void fault_arm(enum fault fault, int n, int error);
/* Takes it back. True: it has happened. */
bool fault_disarm(void);

#endif
