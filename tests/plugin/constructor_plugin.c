/* A plugin whose constructor does what FORKCALL_TEST_CONSTRUCTOR says, and notes each of its runs
 * in the file FORKCALL_TEST_RUNS. */
#include "constructor_plugin.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

forkcall_fn tells_how_it_was_loaded, looks_for_a_module;

static struct loaded loaded = {.read = -1};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void *idles(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void note_run(pid_t pid)
{
    const char *path = getenv("FORKCALL_TEST_RUNS"); // NOLINT(concurrency-mt-unsafe): no other thread yet
    const int fd = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    const struct run run = {.pid = getpid(), .child = pid};
    if (fd >= 0 && write(fd, &run, sizeof run) != (ssize_t)sizeof run)
        abort();
    if (fd >= 0)
        close(fd);
}

/* A process that nobody waits for. */
static void start_a_sleeper(void)
{
    const pid_t pid = fork();
    if (pid == 0) {
        sleep(60);
        _exit(0);
    }
    note_run(pid);
}

/* Keeps a lock until this process ends, as one who is to be alone does. */
static void lock_a_file(void)
{
    const char *path = getenv("FORKCALL_TEST_RUNS"); // NOLINT(concurrency-mt-unsafe): no other thread yet
    const int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        abort();
}

/* Keeps the lock if nobody has it, and reads the first byte, as of a configuration. */
static void try_lock_and_read(void)
{
    const char *path = getenv("FORKCALL_TEST_CONFIGURATION"); // NOLINT(concurrency-mt-unsafe): no other thread yet
    const int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    unsigned char byte;
    if (fd < 0)
        abort();
    loaded.got_lock = flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (read(fd, &byte, 1) == 1)
        loaded.read = byte;
}

/* Hangs once the file says so. */
static void hang_if_told(void)
{
    try_lock_and_read();
    if (loaded.read == 1)
        (void)idles(NULL);
}

static void close_all(void)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    while (open("/dev/zero", O_RDWR | O_CLOEXEC) < 40) {
    }
}

__attribute__((constructor)) static void constructor(void)
{
    const char *what = getenv("FORKCALL_TEST_CONSTRUCTOR"); // NOLINT(concurrency-mt-unsafe): no other thread yet
    pthread_t thread;
    loaded.at_ns = now_ns();
    loaded.by = getpid();
    if (what == NULL)
        return;
    if (strcmp(what, "forks") == 0)
        start_a_sleeper();
    else
        note_run(0);
    if (strcmp(what, "crashes") == 0)
        abort();
    if (strcmp(what, "exits") == 0)
        exit(5); // NOLINT(concurrency-mt-unsafe): no other thread yet
    if (strcmp(what, "hangs") == 0)
        (void)idles(NULL);
    if (strcmp(what, "locks") == 0)
        lock_a_file();
    if (strcmp(what, "reads") == 0)
        try_lock_and_read();
    if (strcmp(what, "hangs if told") == 0)
        hang_if_told();
    if (strcmp(what, "closes") == 0)
        close_all();
    if (strcmp(what, "threads") == 0)
        (void)pthread_create(&thread, NULL, idles, NULL);
    if (strcmp(what, "doubles") == 0)
        (void)fork();
    if (strcmp(what, "writes") == 0 && write(11, "?", 1) < 0)
        (void)write(10, "?", 1);
}

int tells_how_it_was_loaded(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    loaded.calls++;
    loaded.runs_in = getpid();
    return forkcall_buf_append(result, &loaded, sizeof loaded);
}

/* Sets calls to 1 if the module at that path is loaded in this process, else to 0. */
int looks_for_a_module(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    loaded.calls = dlopen(args, RTLD_LAZY | RTLD_NOLOAD) != NULL;
    return forkcall_buf_append(result, &loaded, sizeof loaded);
}
