/* How do I get an open descriptor back?
 *
 * open() may hang for ever: a FIFO that nobody writes to, a network file system that is gone. Here
 * a child opens the file, under a deadline, and sends the descriptor through a socket that the call
 * keeps open for it. Exit status 0: the outcomes are those that are wanted. */
#include <forkcall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A message of one byte with room for one descriptor. */
struct message {
    struct msghdr header;
    struct iovec bytes;
    char byte;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

static void prepare(struct message *message)
{
    memset(message, 0, sizeof *message);
    message->bytes = (struct iovec){.iov_base = &message->byte, .iov_len = 1};
    message->header.msg_iov = &message->bytes;
    message->header.msg_iovlen = 1;
    message->header.msg_control = message->control;
    message->header.msg_controllen = sizeof message->control;
}

/* ---- In the child ---------------------------------------------------------------------------- */

struct request {
    int socket;
    char path[1000];
};

static int open_and_send(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct request *request = args;
    struct message message;
    (void)args_size, (void)result;
    const int fd = open(request->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return forkcall_fail(errno, "%s: %s", request->path, strerror(errno));
    prepare(&message);
    struct cmsghdr *control = CMSG_FIRSTHDR(&message.header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(control), &fd, sizeof fd);
    if (sendmsg(request->socket, &message.header, 0) < 0)
        return forkcall_fail(errno, "sendmsg: %s", strerror(errno));
    return 0; /* the child's own descriptor goes with the child */
}

/* ---- In the caller --------------------------------------------------------------------------- */

/* What has been sent waits in the socket. Returns the descriptor, or -1. */
static int receive(int socket)
{
    struct message message;
    int fd = -1;
    prepare(&message);
    if (recvmsg(socket, &message.header, MSG_DONTWAIT) < 0)
        return -1;
    const struct cmsghdr *control = CMSG_FIRSTHDR(&message.header);
    if (control == NULL || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS ||
        control->cmsg_len != CMSG_LEN(sizeof fd))
        return -1;
    memcpy(&fd, CMSG_DATA(control), sizeof fd);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* Returns the open file, or -1 after it has said why there is none. */
static int open_in_child(const char *path, int timeout_ms)
{
    struct request request = {.socket = -1};
    int ends[2];
    if (strlen(path) >= sizeof request.path || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) {
        fprintf(stderr, "%s: cannot be asked for\n", path);
        return -1;
    }
    memcpy(request.path, path, strlen(path) + 1);
    request.socket = ends[1];
    const struct forkcall_options options = {.timeout_ms = timeout_ms, .keep_fds = &ends[1], .keep_fds_count = 1};
    const struct forkcall_report report = forkcall_run(open_and_send, &request, sizeof request, NULL, &options);
    const int fd = report.status == FORKCALL_OK ? receive(ends[0]) : -1;
    close(ends[0]);
    close(ends[1]);
    if (fd < 0)
        printf("%s: %s\n", forkcall_status_name(report.status), report.message);
    return fd;
}

/* Whether path can be opened, and is a file with something in it. */
static bool can_read(const char *path, int timeout_ms)
{
    char byte;
    const int fd = open_in_child(path, timeout_ms);
    if (fd < 0)
        return false;
    const bool good = read(fd, &byte, 1) == 1;
    printf("%s: open here as descriptor %d\n", path, fd);
    close(fd);
    return good;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/forkcall-example-XXXXXX";
    char fifo[sizeof folder + 8];
    forkcall_init();
    if (argc < 1 || mkdtemp(folder) == NULL)
        return EXIT_FAILURE;
    (void)snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    const bool right = mkfifo(fifo, 0600) == 0 && can_read(argc > 1 ? argv[1] : argv[0], 10000) &&
                       !can_read("/no/such/file", 10000) && !can_read(fifo, 200);
    unlink(fifo);
    rmdir(folder);
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
