/* Helper program: main calls the library by every method that re-executes the program. It is run
 * where a re-executed program may not find out what it is. Each process that reaches main adds a
 * byte to the file COUNT beside the program. Each that passes forkcall_init() adds one to the file
 * AFTER. A process that finds too many bytes in COUNT ends at once: without the library's guard,
 * processes would start each other endlessly. The argument is the number of rounds of calls. */
#include "time_factor.h"

#include <forkcall.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOO_MANY 60

static long count(const char *name)
{
    char path[4096] = "";
    struct stat file;
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    if (n < 0)
        _exit(64);
    snprintf(path + n, 32, ".%s", name);
    const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, "m", 1) != 1 || fstat(fd, &file) < 0)
        _exit(65);
    close(fd);
    return (long)file.st_size;
}

static int adds(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int sum = ((const int *)args)[0] + ((const int *)args)[1];
    (void)args_size;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

static void call(enum forkcall_method method, const char *name)
{
    static const int args[2] = {20, 22};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.method = method, .timeout_ms = 20000 * time_factor()};
    const struct forkcall_report report = forkcall_run(adds, args, sizeof args, &result, &options);
    const bool right = report.status == FORKCALL_OK && result.size == sizeof(int) && *(int *)result.data == 42;
    printf("%s: %s %d%s: %s\n", name, forkcall_status_name(report.status), report.code, right ? " right" : "",
           report.message);
    fflush(stdout);
    forkcall_buf_free(&result);
}

int main(int argc, char **argv)
{
    alarm(60 * (unsigned)time_factor());
    if (count("count") > TOO_MANY)
        _exit(66);
    forkcall_init();
    count("after");
    const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    for (long i = 0; i < rounds; i++) {
        call(FORKCALL_SPAWN, "spawn");
        call(FORKCALL_SERVER, "server");
        call(FORKCALL_AUTO, "auto");
    }
    return 0;
}
