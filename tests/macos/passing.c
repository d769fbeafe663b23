/* A library for LD_PRELOAD that imposes on Linux what XNU does with descriptors that are sent
 * through a socket.
 *
 * 1. Only files, sockets, pipes and POSIX shared memory can be sent. All else gives EINVAL: on
 *    macOS a kqueue or a semaphore; here an epoll, an eventfd, a timerfd or a pidfd.
 *    XNU: bsd/kern/uipc_usrreq.c, unp_internalize; bsd/kern/kern_descrip.c, file_issendable.
 * 2. There is no MSG_CMSG_CLOEXEC: a received descriptor is not close-on-exec until the receiver
 *    makes it so.
 *
 * SPDX-License-Identifier: MIT */
#include "preload.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static next_address next_sendmsg, next_recvmsg;

__attribute__((constructor)) static void find_next(void)
{
    (void)NEXT(sendmsg);
    (void)NEXT(recvmsg);
}

/* True: the descriptor can be sent. Epoll, eventfd and their like have a mode without a type. */
static bool is_sendable(int fd)
{
    struct stat file;
    return fstat(fd, &file) < 0 || (file.st_mode & S_IFMT) != 0;
}

static bool are_sendable(const struct cmsghdr *header)
{
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        if (!is_sendable(fd))
            return false;
    }
    return true;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    const struct cmsghdr *header = message->msg_controllen > 0 ? CMSG_FIRSTHDR(message) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        !are_sendable(header)) {
        errno = EINVAL;
        return -1;
    }
    return NEXT(sendmsg)(fd, message, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return NEXT(recvmsg)(fd, message, flags & ~MSG_CMSG_CLOEXEC);
}
