/* A program that comes by what a copy is known by, without being one. Argument: how. It then execs itself, and says "main" if
 * its main goes on after forkcall_init. */
#include "copy.h"

#include <forkcall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ODD_PATH "/proc/self/task/../exe" /* as in image_path.linux.c */
#define AT_FD 3                           /* where a copy finds its socket */
#define DATA "these twenty-four bytes!"   /* as many as a hello has */

struct kind {
    const char *name;
    bool marker;       /* FORKCALL_COPY in the environment */
    bool odd_path;     /* started by that path */
    bool socket;       /* a socket as descriptor 3 */
    bool data;         /* something lies in it */
    bool hello;        /* or a true hello does */
    bool right_marker; /* the marker is the hello's, and names the parent */
    bool parent;       /* the maker of the socket is its parent */
    bool hangs_up;     /* the maker's end is closed */
    bool keeps_data;   /* what lies there is still to be there for main */
    int status;        /* that it is to end with */
};

static const struct kind kinds[] = {
    {"marker", .marker = true},
    {"marker_and_socket", .marker = true, .socket = true},
    {"marker_and_data", .marker = true, .socket = true, .data = true, .keeps_data = true},
    {"wrong_nonce", .marker = true, .socket = true, .hello = true, .parent = true},
    {"hello_alone", .socket = true, .hello = true, .parent = true},
    {"odd_path", .odd_path = true, .status = FC_COPY_ROBBED},
    {"odd_path_and_socket", .odd_path = true, .socket = true, .status = FC_COPY_ROBBED},
    {"odd_path_and_data", .odd_path = true, .socket = true, .data = true, .status = FC_COPY_ROBBED},
    {"odd_path_and_marker", .odd_path = true, .marker = true, .status = FC_COPY_ROBBED},
    {"hello_of_a_stranger", .marker = true, .socket = true, .hello = true, .right_marker = true,
     .status = FC_COPY_REFUSED},
    {"odd_path_and_hello_of_a_stranger", .odd_path = true, .socket = true, .hello = true, .status = FC_COPY_REFUSED},
    /* As it should be: these become copies, and end because their maker does. */
    {"true_copy", .marker = true, .socket = true, .hello = true, .right_marker = true, .parent = true, .hangs_up = true,
     .status = FC_COPY_REFUSED},
    {"true_copy_by_odd_path", .odd_path = true, .socket = true, .hello = true, .parent = true, .hangs_up = true,
     .status = FC_COPY_REFUSED},
};

static int go_on(bool wants_data)
{
    char data[64];
    printf("main\n");
    fflush(stdout);
    if (!wants_data)
        return 0;
    const ssize_t n = recv(AT_FD, data, sizeof data, MSG_DONTWAIT);
    return n == (ssize_t)strlen(DATA) && memcmp(data, DATA, (size_t)n) == 0 ? 0 : 4;
}

static int end_of(pid_t pid)
{
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 96;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

_Noreturn static void exec_self(const struct kind *kind, const char *path, int socket, uint64_t nonce)
{
    char marker[64];
    if (socket >= 0 ? dup2(socket, AT_FD) < 0 : close(AT_FD) < 0 && errno != EBADF)
        _exit(95);
    /* One that was inherited names the parent of another process. */
    snprintf(marker, sizeof marker, "%ld-%016llx", kind->right_marker ? (long)getppid() : 1L,
             (unsigned long long)(kind->right_marker ? nonce : ~nonce));
    if (kind->marker)
        setenv("FORKCALL_COPY", marker, 1);
    execl(kind->odd_path ? ODD_PATH : path, path, kind->keeps_data ? "data" : "main", (char *)NULL);
    _exit(94);
}

static int play(const struct kind *kind, const char *path)
{
    int ends[2] = {-1, -1};
    uint64_t nonce = 0x123456789abcdefU;
    if (kind->socket && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return 93;
    for (int i = 0; kind->socket && i < 2; i++) {
        const int low = ends[i];
        ends[i] = fcntl(low, F_DUPFD_CLOEXEC, 10);
        close(low);
    }
    if (kind->data && send(ends[0], DATA, strlen(DATA), 0) < 0)
        return 92;
    if (kind->hello && fc_copy_hello(ends[0], FC_COPY_SPARE, &nonce) < 0)
        return 91;
    if (kind->hangs_up)
        close(ends[0]);
    fflush(NULL);
    const pid_t pid = fork();
    if (pid != 0)
        return end_of(pid);
    if (kind->hello && !kind->parent) {
        const pid_t grandchild = fork();
        if (grandchild != 0)
            _exit(end_of(grandchild));
    }
    exec_self(kind, path, ends[1], nonce);
}

int main(int argc, char **argv)
{
    forkcall_init();
    if (argc != 2)
        return 90;
    if (strcmp(argv[1], "main") == 0 || strcmp(argv[1], "data") == 0)
        return go_on(argv[1][0] == 'd');
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(argv[1], kinds[i].name) != 0)
            continue;
        const int status = play(&kinds[i], argv[0]);
        printf("status %d\n", status);
        return status == kinds[i].status ? 0 : 1;
    }
    return 89;
}
