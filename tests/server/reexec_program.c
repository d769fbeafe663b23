/* Helper program: starts itself again in odd circumstances. The arguments are done one after
 * another:
 *   as WHAT        from here on, the re-executed programs do this before forkcall_init():
 *                    closes, takes, covers   something to their socket
 *                    forks                   another process goes on to main
 *                    calls                   call the library without their socket
 *                    ignores                 ignore SIGUSR1
 *                    waits                   create REEXEC_BEGUN, and wait until REEXEC_GO exists
 *   no_proc        makes /proc empty
 *   jail DIR FILE  changes the root to DIR, where the program's name leads to FILE
 *   replaced FILE  makes all names of the program lead to FILE
 *   spawn, server, auto   a call by that method
 *   cancel         a call whose cancel descriptor is readable
 *   cut            forkcall_server_start() in a thread that is canceled meanwhile
 * Exit status NOT_HERE: the system cannot do this. */
#include "not_here.h"
#include "time_factor.h"

#include <forkcall.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET 3 /* of a re-executed program */

static void tell(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(99);
}

static void await_file(const char *path)
{
    for (int i = 0; path != NULL && i < 30000 && access(path, F_OK) < 0; i++)
        poll(NULL, 0, 1);
}

/* ---- In a re-executed program ---------------------------------------------------------------- */

static void await_taken(void)
{
    char first[4], now[4];
    ssize_t n = recv(SOCKET, first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
    for (int i = 0; i < 30000 && n == (ssize_t)sizeof first; i++) {
        n = recv(SOCKET, now, sizeof now, MSG_PEEK | MSG_DONTWAIT);
        if (n == (ssize_t)sizeof now && memcmp(first, now, sizeof now) != 0)
            break;
        poll(NULL, 0, 1);
    }
}

__attribute__((constructor)) static void before_main(void)
{
    const char *what = getenv("REEXEC_COPY");
    char data[4096];
    if (what == NULL)
        return;
    if (strcmp(what, "closes") == 0 || strcmp(what, "calls") == 0)
        close(SOCKET);
    if (strcmp(what, "takes") == 0 && recv(SOCKET, data, sizeof data, MSG_DONTWAIT) < 0)
        tell("nothing to take\n");
    if (strcmp(what, "covers") == 0)
        dup2(STDOUT_FILENO, SOCKET);
    if (strcmp(what, "forks") == 0 && fork() == 0)
        await_taken();
    if (strcmp(what, "ignores") == 0)
        signal(SIGUSR1, SIG_IGN);
    if (strcmp(what, "waits") == 0) {
        const char *begun = getenv("REEXEC_BEGUN");
        close(begun == NULL ? -1 : open(begun, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        await_file(getenv("REEXEC_GO"));
    }
}

/* ---- Functions ------------------------------------------------------------------------------- */

static int tells_sigpipe(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct sigaction action;
    (void)args;
    (void)args_size;
    (void)result;
    if (sigaction(SIGUSR1, NULL, &action) < 0)
        return errno;
    return action.sa_handler == SIG_DFL ? 0 : forkcall_fail(1, "SIGUSR1 is not at its default");
}

/* ---- In the host ----------------------------------------------------------------------------- */

static void show(const char *name, const struct forkcall_report *report)
{
    printf("%s: %s ran %d code %d: %s\n", name, forkcall_status_name(report->status), (int)report->ran, report->code,
           report->message);
    fflush(stdout);
}

static void call(enum forkcall_method method, const char *name, int cancel_fd)
{
    const struct forkcall_options options = {
        .method = method, .timeout_ms = 20000 * time_factor(), .cancel_fd_plus_one = cancel_fd + 1};
    const struct forkcall_report report = forkcall_run(tells_sigpipe, NULL, 0, NULL, &options);
    show(name, &report);
}

static void call_canceled(void)
{
    int ends[2];
    if (pipe(ends) == 0 && write(ends[1], "c", 1) == 1)
        call(FORKCALL_SERVER, "canceled", ends[0]);
}

static void *start_server(void *unused)
{
    forkcall_server_start(NULL);
    return unused;
}

static void cut(void)
{
    pthread_t thread;
    struct timespec soon;
    const char *go = getenv("REEXEC_GO");
    if (go == NULL || pthread_create(&thread, NULL, start_server, NULL) != 0)
        return;
    await_file(getenv("REEXEC_BEGUN"));
    pthread_cancel(thread);
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec++; /* a thread that can be canceled has been canceled by then */
    const bool ended = pthread_timedjoin_np(thread, NULL, &soon) == 0;
    close(open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!ended)
        pthread_join(thread, NULL);
    printf("cut: %d, then %d\n", ended, forkcall_server_start(NULL));
    fflush(stdout);
}

static bool own_mounts(void)
{
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool enter_jail(const char *directory, const char *file)
{
    char own[2048], there[4096];
    const ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    if (n < 0 || !own_mounts() || mount("/", directory, NULL, MS_BIND | MS_REC, NULL) < 0)
        return false;
    own[n] = '\0';
    snprintf(there, sizeof there, "%s%s", directory, own);
    return mount(file, there, NULL, MS_BIND, NULL) == 0 && chroot(directory) == 0 && chdir("/") == 0;
}

static bool replace(const char *own, const char *file)
{
    char deleted[4096];
    snprintf(deleted, sizeof deleted, "%s (deleted)", own);
    return unlink(own) == 0 && link(file, own) == 0 && link(file, deleted) == 0;
}

static bool is_call(const char *name)
{
    static const char *const names[] = {"auto", "fork", "server", "spawn"};
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            call((enum forkcall_method)i, name, -1);
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    const char *what = getenv("REEXEC_COPY");
    bool good = true;
    if (what != NULL && strcmp(what, "calls") == 0) {
        forkcall_run(tells_sigpipe, NULL, 0, NULL, &(struct forkcall_options){.method = FORKCALL_FORK});
        tell("went on\n");
    }
    forkcall_init();
    if (what != NULL) {
        tell("main again\n");
        return 0;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that every process that was started can be waited for */
    for (int i = 1; i < argc && good; i++) {
        if (strcmp(argv[i], "as") == 0 && i + 1 < argc)
            setenv("REEXEC_COPY", argv[++i], 1);
        else if (strcmp(argv[i], "no_proc") == 0)
            good = own_mounts() && mount("none", "/proc", "tmpfs", 0, NULL) == 0;
        else if (strcmp(argv[i], "jail") == 0 && i + 2 < argc)
            good = enter_jail(argv[i + 1], argv[i + 2]), i += 2;
        else if (strcmp(argv[i], "replaced") == 0 && i + 1 < argc)
            good = replace(argv[0], argv[i + 1]), i++;
        else if (strcmp(argv[i], "cancel") == 0)
            call_canceled();
        else if (strcmp(argv[i], "cut") == 0)
            cut();
        else if (!is_call(argv[i]))
            return 2;
    }
    forkcall_server_stop();
    while (wait(NULL) > 0 || errno == EINTR) {
    }
    return good ? 0 : NOT_HERE;
}
