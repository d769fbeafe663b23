/* Helper program: run by the tests of forkcall_init(). The first argument is init, or bare
 * (forkcall_init() is not called). The other arguments are done one after another, and each prints
 * a line:
 *   fork, server, spawn, auto   a call by that method
 *   start                       forkcall_server_start()
 *   environ                     the environment and descriptors of a program that this one starts
 *   child_environ METHOD        the same for a program that the function starts
 *   thread                      starts a thread
 *   real_user NUMBER            changes the real user only; the effective user is root
 *   set_user_id FILE            makes the file a set-user-id program
 *
 * The re-executed program has no arguments. SUBJECT_COPY in the environment says what it does in
 * place of forkcall_init(): calls, starts, recurses, exits, crashes, hangs. SUBJECT_LOG names a
 * file: each process adds a line "main" to it, and a line "after" once it has passed
 * forkcall_init(). SUBJECT_TIMEOUT is the timeout of the calls in milliseconds. */
#include "time_factor.h"

#include <forkcall.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void note(const char *line)
{
    const char *path = getenv("SUBJECT_LOG");
    const int fd = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    if (write(fd, line, strlen(line)) < 0)
        perror(path);
    close(fd);
}

static int answers_42(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int answer = 42;
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &answer, sizeof answer);
}

static int tells_environment(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int status = -1;
    (void)args;
    (void)args_size;
    (void)result;
    const pid_t pid = fork();
    if (pid == 0) {
        /* Lists the descriptors that are neither standard streams nor the shell's own. */
        execl("/bin/sh", "sh", "-c",
              "env; for fd in /proc/$$/fd/*; do [ \"${fd##*/}\" -lt 3 ] || readlink \"$fd\"; done; echo done",
              (char *)NULL);
        _exit(1);
    }
    /* The program prints to stdout. */
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

static void call(enum forkcall_method method, const char *name, forkcall_fn *fn)
{
    const char *timeout = getenv("SUBJECT_TIMEOUT");
    const struct forkcall_options options = {
        .method = method, .timeout_ms = timeout == NULL ? 60000 * time_factor() : (int)strtol(timeout, NULL, 10)};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    fflush(NULL);
    const struct forkcall_report report = forkcall_run(fn, NULL, 0, &result, &options);
    if (report.status == FORKCALL_OK && fn == answers_42 && (result.size != sizeof(int) || *(int *)result.data != 42))
        printf("%s: a wrong answer\n", name);
    printf("%s: %s method %d ran %d code %d: %s\n", name, forkcall_status_name(report.status), (int)report.method,
           (int)report.ran, report.code, report.message);
    forkcall_buf_free(&result);
}

static bool find_method(const char *name, enum forkcall_method *method)
{
    static const char *const names[] = {"auto", "fork", "server", "spawn"};
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *method = (enum forkcall_method)i;
            return true;
        }
    return false;
}

static void in_copy(const char *what)
{
    const struct rlimit no_core = {0, 0};
    if (what == NULL)
        return;
    if (strcmp(what, "calls") == 0)
        call(FORKCALL_FORK, "in the copy", answers_42);
    if (strcmp(what, "recurses") == 0)
        call(FORKCALL_SPAWN, "in the copy", answers_42);
    if (strcmp(what, "starts") == 0)
        forkcall_server_start(NULL);
    if (strcmp(what, "exits") == 0)
        _exit(3);
    if (strcmp(what, "crashes") == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        raise(SIGTRAP); /* sanitizers catch other signals */
    }
    if (strcmp(what, "hangs") == 0)
        for (;;)
            pause();
    note("went on\n");
    _exit(0);
}

static void *sits(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    enum forkcall_method method;
    note("main\n");
    if (argc == 1)
        in_copy(getenv("SUBJECT_COPY"));
    if (argc < 2 || strcmp(argv[1], "init") == 0)
        forkcall_init();
    note("after\n");
    for (int i = 2; i < argc; i++) {
        if (find_method(argv[i], &method))
            call(method, argv[i], answers_42);
        else if (strcmp(argv[i], "start") == 0)
            printf("start: %d\n", forkcall_server_start(NULL));
        else if (strcmp(argv[i], "helper") == 0)
            printf("helper: %d\n", forkcall_use_helper("/bin/sh"));
        else if (strcmp(argv[i], "environ") == 0)
            tells_environment(NULL, 0, NULL);
        else if (strcmp(argv[i], "child_environ") == 0 && ++i < argc && find_method(argv[i], &method))
            call(method, argv[i], tells_environment);
        else if (strcmp(argv[i], "thread") == 0)
            printf("thread: %d\n", pthread_create(&thread, NULL, sits, NULL));
        else if (strcmp(argv[i], "real_user") == 0 && ++i < argc)
            printf("setresuid: %d\n", setresuid((uid_t)strtol(argv[i], NULL, 10), 0, 0));
        else if (strcmp(argv[i], "set_user_id") == 0 && ++i < argc)
            printf("chmod: %d\n", chmod(argv[i], 04755));
        fflush(NULL);
    }
    return 0;
}
