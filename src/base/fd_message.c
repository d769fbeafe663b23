/* ANY: Sends and receives messages that carry descriptors. */
#include "base/fd_message.h"

#include "base/descriptors.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS has SO_NOSIGPIPE instead */
#endif
#ifdef HAVE_CMSG_CLOEXEC
#define CLOSE_RECEIVED_ON_EXEC MSG_CMSG_CLOEXEC
#else
#define CLOSE_RECEIVED_ON_EXEC 0 /* macOS: set for each one */
#endif

#ifdef SOCK_CLOEXEC
#define CLOSE_ON_EXEC SOCK_CLOEXEC
#else
#define CLOSE_ON_EXEC 0
#endif

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(FC_FD_MESSAGE_MAX * sizeof(int))];
};

int fc_fd_message_pair(int ends[2])
{
    /* Close-on-exec from the beginning, if the system can do it: another thread may exec in
     * between. */
    if (socketpair(AF_UNIX, SOCK_STREAM | CLOSE_ON_EXEC, 0, ends) < 0)
        return -errno;
    int r = 0;
    for (int i = 0; i < 2; i++) {
        ends[i] = fc_fd_above_streams(ends[i]);
        if (ends[i] < 0)
            r = ends[i];
        else if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) < 0)
            r = -errno;
#ifdef SO_NOSIGPIPE
        const int on = 1;
        if (ends[i] >= 0)
            setsockopt(ends[i], SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    }
    for (int i = 0; r < 0 && i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    if (r == 0 && ends[1] == FC_EXEC_SELF_FD) { /* both ends are alike */
        ends[1] = ends[0];
        ends[0] = FC_EXEC_SELF_FD;
    }
    return r;
}

int fc_fd_message_pair_in(struct fc_fds *fds)
{
    int ends[2];
    fc_fds_lock();
    const int r = fc_fd_message_pair(ends);
    fds->fd[FC_FD_SOCKET] = r < 0 ? -1 : ends[0];
    fds->fd[FC_FD_PEER_SOCKET] = r < 0 ? -1 : ends[1];
    fc_fds_unlock();
    return r;
}

int fc_fd_message_send(int fd, const void *data, size_t size, const int *fds, size_t count)
{
    union control control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > FC_FD_MESSAGE_MAX)
        return -EINVAL;
    if (count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t)n == size ? 0 : -EAGAIN;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Takes the descriptors of a message. 0, or a negative errno: there were more than fit, or one
 * could not be moved. */
static int take_fds(struct msghdr *message, int *fds, size_t max, size_t *count)
{
    int r = (message->msg_flags & MSG_CTRUNC) != 0 ? -EMFILE : 0;
    /* All of them come in one header (unix(7)). */
    const struct cmsghdr *header = CMSG_FIRSTHDR(message);
    *count = 0;
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return r;
    const size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        if (CLOSE_RECEIVED_ON_EXEC == 0)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        fd = fc_fd_above_streams(fd);
        if (fd >= 0 && *count < max) {
            fds[(*count)++] = fd;
            continue;
        }
        if (fd >= 0)
            close(fd);
        r = fd < 0 ? fd : -EPROTO;
    }
    return r;
}

static int receive(int fd, void *data, size_t size, int *fds, size_t max, size_t *count, int flags)
{
    union control control;
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    *count = 0;
    do
        n = recvmsg(fd, &message, CLOSE_RECEIVED_ON_EXEC | flags);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    int r = take_fds(&message, fds, max, count);
    if (r == 0 && (size_t)n != size)
        r = n == 0 ? -ECONNRESET : -EPROTO;
    if (r < 0) {
        close_all(fds, *count);
        *count = 0;
    }
    return r;
}

int fc_fd_message_receive(int fd, void *data, size_t size, int *fds, size_t max, size_t *count, int wait)
{
    return receive(fd, data, size, fds, max, count, wait != 0 ? MSG_WAITALL : MSG_DONTWAIT);
}

int fc_fd_message_peek(int fd, void *data, size_t size, int *fds, size_t max, size_t *count)
{
    return receive(fd, data, size, fds, max, count, MSG_DONTWAIT | MSG_PEEK);
}

pid_t fc_fd_message_maker(int fd)
{
#ifdef HAVE_STRUCT_UCRED
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : -1;
#elif defined LOCAL_PEERPID
    pid_t peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &peer, &size) == 0 ? peer : -1;
#else
    (void)fd;
    return -1;
#endif
}
