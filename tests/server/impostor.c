/* Helper program: has the marks of a re-executed program without being one. The argument chooses
 * which marks. The program execs itself with them, and prints "main" if main goes on after
 * forkcall_init(). */
#include "time_factor.h"

#include "exec/exec_mark.h"
#include "exec/exec_self.h"

#include <forkcall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ODD_PATH "/proc/self/task/../exe"       /* one of the paths of executable.linux.c */
#define AT_FD 3                                 /* the socket of a re-executed program */
#define DATA "these are thirty-two other bytes" /* as many bytes as a hello has */

static const char *wrapper;

struct kind {
    const char *name;
    bool marker;       /* FORKCALL_COPY in the environment */
    bool odd_path;     /* started by ODD_PATH */
    bool socket;       /* a socket as descriptor 3 */
    bool data;         /* the socket holds DATA */
    bool hello;        /* the socket holds a true hello */
    bool right_marker; /* the marker belongs to the hello, and names the parent */
    bool parent;       /* the parent has made the socket */
    bool hangs_up;     /* the maker's end is closed */
    bool keeps_data;   /* the data must still be there for main */
    bool branded;      /* with the mark of exec_mark.h */
    bool wrapped;      /* the parent is another program, argv[2] */
    bool lost;         /* main goes on, but re-executes nothing */
    int status;        /* the expected exit status */
};

static const struct kind kinds[] = {
    {"marker", .marker = true},
    {"marker_and_socket", .marker = true, .socket = true},
    {"marker_and_data", .marker = true, .socket = true, .data = true, .keeps_data = true},
    {"odd_path", .odd_path = true, .status = FC_EXIT_NO_SOCKET},
    {"odd_path_and_socket", .odd_path = true, .socket = true, .status = FC_EXIT_NO_SOCKET},
    {"odd_path_and_data", .odd_path = true, .socket = true, .data = true, .status = FC_EXIT_NO_SOCKET},
    {"odd_path_and_marker", .odd_path = true, .marker = true, .status = FC_EXIT_NO_SOCKET},
    {"brand", .branded = true, .status = FC_EXIT_NO_SOCKET},
    {"right_marker", .marker = true, .right_marker = true, .status = FC_EXIT_NO_SOCKET},
    {"hello_of_a_stranger", .marker = true, .socket = true, .hello = true, .right_marker = true,
     .status = FC_EXIT_WRAPPED},
    {"brand_and_hello_of_a_stranger", .branded = true, .socket = true, .hello = true, .status = FC_EXIT_WRAPPED},
    {"odd_path_and_hello_of_a_stranger", .odd_path = true, .socket = true, .hello = true, .status = FC_EXIT_WRAPPED},
    /* These may be re-executed programs, or may have been started by one. */
    {"brand_and_another_parent", .branded = true, .wrapped = true, .lost = true},
    {"hello_of_a_stranger_alone", .socket = true, .hello = true, .lost = true},
    {"hello_of_a_stranger_and_an_inherited_marker", .marker = true, .socket = true, .hello = true, .lost = true},
    /* These have what a re-executed program needs. They end because their maker hangs up. */
    {"true_copy", .marker = true, .socket = true, .hello = true, .right_marker = true, .parent = true, .hangs_up = true,
     .status = FC_EXIT_REFUSED},
    {"wrong_nonce", .marker = true, .socket = true, .hello = true, .parent = true, .hangs_up = true,
     .status = FC_EXIT_REFUSED},
    {"hello_alone", .socket = true, .hello = true, .parent = true, .hangs_up = true, .status = FC_EXIT_REFUSED},
    {"true_copy_by_odd_path", .odd_path = true, .socket = true, .hello = true, .parent = true, .hangs_up = true,
     .status = FC_EXIT_REFUSED},
};

static int returns_0(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 0;
}

/* An ordinary program re-executes itself. A program that may itself be a re-executed one does
 * not. */
static bool starts_copies(bool lost)
{
    for (int method = FORKCALL_SERVER; method <= FORKCALL_SPAWN; method++) {
        const struct forkcall_options options = {.method = (enum forkcall_method)method,
                                                 .timeout_ms = 20000 * time_factor()};
        const struct forkcall_report report = forkcall_run(returns_0, NULL, 0, NULL, &options);
        printf("method %d: %s\n", method, report.message);
        if (lost ? report.status != FORKCALL_NOT_STARTED || report.code != ENOEXEC ||
                       strstr(report.message, "it does not re-execute this program") == NULL
                 : report.status != FORKCALL_OK)
            return false;
    }
    return true;
}

static int go_on(bool wants_data, bool lost)
{
    char data[64];
    printf("main\n");
    fflush(stdout);
    if (!starts_copies(lost))
        return 5;
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
    /* An inherited marker names the parent of another process. */
    snprintf(marker, sizeof marker, "%ld-%016llx", kind->right_marker ? (long)getppid() : 1L,
             (unsigned long long)(kind->right_marker ? nonce : ~nonce));
    if (kind->marker)
        setenv("FORKCALL_COPY", marker, 1);
    if (kind->branded) {
        sigset_t mask;
        fc_exec_mark_begin(&mask);
        sigprocmask(SIG_SETMASK, &mask, NULL);
    }
    const char *what = kind->keeps_data ? "data" : kind->lost ? "lost" : "main";
    if (kind->wrapped)
        execl(wrapper, wrapper, "f", path, what, (char *)NULL);
    execl(kind->odd_path ? ODD_PATH : path, path, what, (char *)NULL);
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
    if (kind->hello && fc_exec_self_hello(ends[0], FC_ROLE_CHILD, &nonce) < 0)
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
    if (argc < 2)
        return 90;
    wrapper = argc > 2 ? argv[2] : "";
    if (strcmp(argv[1], "main") == 0 || strcmp(argv[1], "data") == 0 || strcmp(argv[1], "lost") == 0)
        return go_on(argv[1][0] == 'd', argv[1][0] == 'l');
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(argv[1], kinds[i].name) != 0)
            continue;
        const int status = play(&kinds[i], argv[0]);
        printf("status %d\n", status);
        return status == kinds[i].status ? 0 : 1;
    }
    return 89;
}
