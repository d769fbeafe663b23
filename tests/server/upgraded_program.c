/* Helper program: its libforkcall is replaced while it runs. The arguments are done one after
 * another:
 *   spawn, server, auto   a call by that method; the printed line says whether the answer is right
 *   start_exec            starts a server whose children are exec'ed
 *   stop                  forkcall_server_stop()
 *   remove                removes the library's file
 *   change, back          puts the file at UPGRADE_NEW or UPGRADE_OLD in the place of the
 *                         library's file, UPGRADE_LIBRARY
 * Each process that reaches main adds a byte to UPGRADE_COUNT. */
#include "time_factor.h"

#include <forkcall.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOO_MANY 100

static void count(void)
{
    struct stat file;
    const char *path = getenv("UPGRADE_COUNT");
    const int fd = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, "m", 1) != 1 || fstat(fd, &file) < 0)
        _exit(65);
    close(fd);
    if (file.st_size > TOO_MANY)
        _exit(66);
}

static int adds(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int sum = ((const int *)args)[0] + ((const int *)args)[1];
    (void)args_size;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

static int count_progress(void *user, double done, double total, const char *note)
{
    (void)user;
    (void)done;
    (void)total;
    (void)note;
    return 0;
}

static void call(enum forkcall_method method, const char *name)
{
    static const int args[2] = {20, 22};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {
        .method = method, .timeout_ms = 20000 * time_factor(), .progress = count_progress};
    const struct forkcall_report report = forkcall_run(adds, args, sizeof args, &result, &options);
    const bool right = report.status == FORKCALL_OK && result.size == sizeof(int) && *(int *)result.data == 42;
    printf("%s: %s ran %d code %d%s: %s\n", name, forkcall_status_name(report.status), (int)report.ran, report.code,
           right ? " right" : "", report.message);
    fflush(stdout);
    forkcall_buf_free(&result);
}

/* Installs the file as a package manager does: another file gets the name. */
static void install(const char *variable)
{
    const char *from = getenv(variable);
    const char *to = getenv("UPGRADE_LIBRARY");
    if (from == NULL || to == NULL || rename(from, to) < 0)
        perror(variable);
}

static void start_exec(void)
{
    const struct forkcall_server_options options = {.exec_spares = true, .spares = 1};
    printf("start: %d\n", forkcall_server_start(&options));
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"auto", "fork", "server", "spawn"};
    alarm(60 * (unsigned)time_factor());
    count();
    forkcall_init();
    for (int i = 1; i < argc; i++) {
        for (int method = 0; method < 4; method++)
            if (strcmp(argv[i], names[method]) == 0)
                call((enum forkcall_method)method, argv[i]);
        if (strcmp(argv[i], "start_exec") == 0)
            start_exec();
        if (strcmp(argv[i], "stop") == 0)
            forkcall_server_stop();
        if (strcmp(argv[i], "change") == 0)
            install("UPGRADE_NEW");
        if (strcmp(argv[i], "remove") == 0 && unlink(getenv("UPGRADE_LIBRARY")) < 0)
            perror("remove");
        if (strcmp(argv[i], "back") == 0)
            install("UPGRADE_OLD");
        fflush(stdout);
    }
    return 0;
}
