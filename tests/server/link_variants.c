/* Test program that is linked in one of several ways. It calls its own static functions by SPAWN
 * and SERVER: also after its file was deleted or replaced, by a relative path, without /proc, and
 * with odd constructors. The argument says what to do. Without an argument it does all of that,
 * each in a program of its own. */
#include "not_here.h"
#include "time_factor.h"

#include <forkcall.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Constructors ---------------------------------------------------------------------------- */

static int own_fd = -1;
static volatile int thread_runs;
static int touched;

static void *sit(void *unused)
{
    thread_runs = 1;
    for (;;)
        pause();
    return unused;
}

__attribute__((constructor)) static void construct(void)
{
    const char *what = getenv("VARIANT_CONSTRUCTOR");
    pthread_t thread;
    if (what != NULL && strcmp(what, "descriptor") == 0)
        own_fd = open("/dev/null", O_RDWR);
    if (what != NULL && strcmp(what, "thread") == 0 && pthread_create(&thread, NULL, sit, NULL) == 0)
        while (!thread_runs)
            sched_yield();
}

/* ---- Calls ----------------------------------------------------------------------------------- */

struct answer {
    int sum, touched, own_fd, thread_runs;
    bool marked; /* the environment still has the marker of a re-executed program */
    pid_t parent;
};

static int adds(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct stat null, own;
    struct answer answer = {.touched = ++touched, .own_fd = -1, .thread_runs = thread_runs, .parent = getppid()};
    for (char **entry = environ; *entry != NULL; entry++)
        answer.marked |= strncmp(*entry, "FORKCALL", 8) == 0 && strncmp(*entry, "FORKCALL_TEST_", 14) != 0;
    for (size_t i = 0; i < args_size; i++)
        answer.sum += ((const unsigned char *)args)[i];
    if (own_fd >= 0 && stat("/dev/null", &null) == 0 && fstat(own_fd, &own) == 0 && null.st_rdev == own.st_rdev)
        answer.own_fd = own_fd;
    return forkcall_buf_append(result, &answer, sizeof answer);
}

static int answers_large(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = (size_t)1 << 20;
    (void)args;
    (void)args_size;
    unsigned char *bytes = forkcall_buf_extend(result, size);
    if (bytes == NULL)
        return ENOMEM;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i >> 7);
    return 0;
}

static struct forkcall_report run(enum forkcall_method method, forkcall_fn *fn, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = 60000 * time_factor()};
    return forkcall_run(fn, "abc", 3, result, &options);
}

static bool is_good(const struct forkcall_report *report, const char *what)
{
    if (report->status == FORKCALL_OK)
        return true;
    printf("%s, method %d: %s\n", what, (int)report->method, report->message);
    return false;
}

static bool check_method(enum forkcall_method method, struct answer *answer)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    for (int i = 0; i < 3; i++) {
        const struct forkcall_report report = run(method, adds, &result);
        if (!is_good(&report, "adds") || result.size != sizeof *answer)
            return false;
        memcpy(answer, result.data, sizeof *answer);
        if (answer->sum != 'a' + 'b' + 'c' || answer->touched != 1 || answer->marked) {
            printf("method %d: sum %d, touched %d, marked %d\n", (int)method, answer->sum, answer->touched,
                   (int)answer->marked);
            return false;
        }
    }
    const struct forkcall_report report = run(method, answers_large, &result);
    if (!is_good(&report, "answers_large") || result.size != (size_t)1 << 20)
        return false;
    for (size_t i = 0; i < result.size; i++)
        if (((unsigned char *)result.data)[i] != (unsigned char)(i >> 7))
            return false;
    forkcall_buf_free(&result);
    return touched == 0;
}

static int check_calls(void)
{
    struct answer spawn, server;
    return check_method(FORKCALL_SPAWN, &spawn) && check_method(FORKCALL_SERVER, &server) && spawn.parent == getpid() &&
                   server.parent != getpid()
               ? 0
               : 1;
}

/* ---- What to do ------------------------------------------------------------------------------ */

static int delete_file(char **argv)
{
    return unlink(argv[0]) == 0 ? check_calls() : 2;
}

/* Gives the program's name to another program. */
static int replace_file(char **argv)
{
    char other[4200];
    snprintf(other, sizeof other, "%s.new", argv[0]);
    FILE *file = fopen(other, "we");
    if (file == NULL || fputs("#!/bin/sh\nexit 33\n", file) < 0 || fclose(file) != 0 || chmod(other, 0755) < 0)
        return 2;
    return rename(other, argv[0]) == 0 ? check_calls() : 2;
}

static int constructor_thread(char **argv)
{
    struct answer spawn, server;
    (void)argv;
    if (!check_method(FORKCALL_SPAWN, &spawn) || !check_method(FORKCALL_SERVER, &server))
        return 1;
    /* A re-executed child has the constructor's thread, and a fork would not: the server's
     * children are exec'ed. */
    return spawn.thread_runs == 1 && server.thread_runs == 1 && server.parent != getpid() ? 0 : 1;
}

static int constructor_descriptor(char **argv)
{
    struct answer spawn, server;
    (void)argv;
    if (!check_method(FORKCALL_SPAWN, &spawn) || !check_method(FORKCALL_SERVER, &server))
        return 1;
    printf("descriptors of constructors: %d here, %d and %d there\n", own_fd, spawn.own_fd, server.own_fd);
    return spawn.own_fd > 2 && server.own_fd > 2 ? 0 : 1;
}

/* Several may be mounted on /proc, one above the other: a new pid namespace mounts its own /proc
 * above that of the old one. */
static bool hide_proc(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        umount2("/proc", MNT_DETACH) < 0)
        return false;
    while (umount2("/proc", MNT_DETACH) == 0)
        continue;
    return true;
}

static int without_proc(char **argv)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    if (!hide_proc())
        return NOT_HERE;
    if (argv[0][0] == '/')
        return check_calls();
    for (int method = FORKCALL_SERVER; method <= FORKCALL_SPAWN; method++) {
        const struct forkcall_report report = run((enum forkcall_method)method, adds, &result);
        if (report.status != FORKCALL_NOT_STARTED || report.ran != FORKCALL_RAN_NO || report.code != ENOENT ||
            strstr(report.message, "/proc") == NULL) {
            printf("%s\n", report.message);
            return 1;
        }
    }
    return 0;
}

/* /proc is hidden, and the program's name belongs to another file. */
static int without_proc_and_file(char **argv)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    if (!hide_proc())
        return NOT_HERE;
    const int r = replace_file(argv);
    const struct forkcall_report report = run(FORKCALL_SPAWN, adds, &result);
    return r == 1 && report.status == FORKCALL_NOT_STARTED && report.ran == FORKCALL_RAN_NO && report.code == ENOENT
               ? 0
               : 1;
}

/* The main thread has ended: /proc knows the program only by its other threads. */
static void *check_without_main_thread(void *main_thread)
{
    pthread_join(*(pthread_t *)main_thread, NULL);
    exit(check_calls());
}

static int main_thread_ended(char **argv)
{
    static pthread_t self, other;
    (void)argv;
    self = pthread_self();
    if (pthread_create(&other, NULL, check_without_main_thread, &self) != 0)
        return 1;
    pthread_exit(NULL);
}

static int plainly(char **argv)
{
    (void)argv;
    return check_calls();
}

static const struct {
    const char *name;
    int (*check)(char **argv);
    const char *constructor;
    bool relative; /* the program is started by a relative path */
} conditions[] = {
    {"plainly", plainly, "", false},
    {"by a relative path", plainly, "", true},
    {"file deleted", delete_file, "", false},
    {"file replaced", replace_file, "", false},
    {"no /proc", without_proc, "", false},
    {"no /proc, relative path", without_proc, "", true},
    {"no /proc, file replaced", without_proc_and_file, "", false},
    {"main thread ended, relative path", main_thread_ended, "", true},
    {"constructor with a thread", constructor_thread, "thread", false},
    {"constructor with a descriptor", constructor_descriptor, "descriptor", false},
};

/* ---- Programs of their own ------------------------------------------------------------------- */

static bool copy_self(const char *to)
{
    static char data[65536];
    ssize_t n = -1;
    const int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (in >= 0 && out >= 0)
        while ((n = read(in, data, sizeof data)) > 0)
            if (write(out, data, (size_t)n) != n)
                break;
    close(in);
    close(out);
    return n == 0;
}

static int run_under(size_t i, const char *directory)
{
    char path[128], number[16];
    int status = -1;
    snprintf(path, sizeof path, "%s/program", directory);
    snprintf(number, sizeof number, "%zu", i);
    if (!copy_self(path))
        return 1;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        setenv("VARIANT_CONSTRUCTOR", conditions[i].constructor, 1);
        if (conditions[i].relative && chdir(directory) == 0)
            execl("./program", "./program", number, (char *)NULL);
        else
            execl(path, path, number, (char *)NULL);
        _exit(99);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    unlink(path);
    status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    printf("%s: %s (%d)\n", conditions[i].name, status == 0 ? "OK" : status == NOT_HERE ? "skipped" : "FAILED", status);
    return status == NOT_HERE ? 0 : status;
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/forkcall-variant-XXXXXX";
    int failed = 0;
    forkcall_init();
    if (argc > 1)
        return conditions[strtoul(argv[1], NULL, 10)].check(argv);
    if (getenv("FORKCALL_TEST_EMULATOR") != NULL) {
        printf("skipped: the emulator does not exec the program's own image\n");
        return NOT_HERE;
    }
    alarm(200 * (unsigned)time_factor());
    if (mkdtemp(directory) == NULL || chmod(directory, 0755) < 0)
        return 1;
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
        failed += run_under(i, directory) != 0;
    rmdir(directory);
    return failed == 0 ? 0 : 1;
}
