/* Makes the n-th call of one function of the C library fail, in this process and those it forks. The functions are put in
 * the place of the real ones by the linker (--wrap), for the library's code as well as for the test's. */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>

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
    FAULT_COUNT
};

/* From now on, the n-th (from 1) call fails with error, once. The count is shared with forked processes; copies of the program and
 * what they fork have no faults. */
void fault_arm(enum fault fault, int n, int error);
/* Takes it back. True: it has happened. */
bool fault_disarm(void);

#endif
