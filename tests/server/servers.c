/* Helpers of the tests of forkcall_init(), SPAWN and SERVER: calls, processes, programs, files. */
#include "servers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Calls ----------------------------------------------------------------------------------- */

bool ended(const struct forkcall_report *report, enum forkcall_status status, enum forkcall_ran ran)
{
    char text[2048];
    if (report->status == status && report->ran == ran)
        return true;
    forkcall_explain(report, text, sizeof text);
    fprintf(stderr, "%s (%d), ran %d, code %d: %s\n", forkcall_status_name(report->status), (int)report->status,
            (int)report->ran, report->code, text);
    return false;
}

/* Children whose call is over. They may still take some time to end. */
static pid_t used[64];

static void note_used(const struct forkcall_report *report)
{
    static size_t next;
    used[next++ % (sizeof used / sizeof *used)] = report->pid;
}

static bool used_are_gone(void)
{
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        if (used[i] != 0 && state_of(used[i]) != 0)
            return false;
    return true;
}

bool ask(enum forkcall_method method, forkcall_fn *fn, const void *args, size_t args_size, void *answer,
         size_t answer_size)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = PLENTY_MS};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = forkcall_run(fn, args, args_size, &result, &options);
    note_used(&report);
    const bool good = ended(&report, FORKCALL_OK, FORKCALL_RAN_YES) && result.size == answer_size;
    if (good && answer_size > 0)
        memcpy(answer, result.data, answer_size);
    forkcall_buf_free(&result);
    return good;
}

bool ask_text(enum forkcall_method method, forkcall_fn *fn, const void *args, size_t args_size, char *text, size_t size)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = PLENTY_MS};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = forkcall_run(fn, args, args_size, &result, &options);
    note_used(&report);
    const bool good = ended(&report, FORKCALL_OK, FORKCALL_RAN_YES) && result.size < size;
    if (good && result.size > 0)
        memcpy(text, result.data, result.size);
    text[good ? result.size : 0] = '\0';
    forkcall_buf_free(&result);
    return good;
}

int child_tells_who(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct who who = {getpid(), getppid(), getpgrp()};
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &who, sizeof who);
}

static pid_t last_server;

/* A body that fails may leave its server suspended. That server would never see its host end, and
 * would keep the output of the test program open for ever. */
static void resume_server(void)
{
    if (state_of(last_server) == 'T')
        kill(last_server, SIGCONT);
}

pid_t server_pid(void)
{
    struct who who;
    last_server = ask(FORKCALL_SERVER, child_tells_who, NULL, 0, &who, sizeof who) ? who.parent : -1;
    host_ends = last_server > 0 ? resume_server : NULL;
    return last_server;
}

int child_writes_and_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    if (write(*(const int *)args, "r", 1) != 1)
        return errno;
    alarm((unsigned)(4 * DEADLINE_S));
    for (;;)
        pause();
}

/* args: two kept descriptors. Sends its pid, waits for a byte, and exits with status 3 if the byte
 * is an x. */
static int child_waits_for_a_byte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *fds = args;
    const pid_t self = getpid();
    char byte;
    (void)args_size;
    (void)result;
    if (write(fds[0], &self, sizeof self) != (ssize_t)sizeof self || read(fds[1], &byte, 1) != 1)
        return errno;
    if (byte == 'x')
        _exit(3);
    return 0;
}

int waiter_begin(struct waiter *waiter)
{
    CHECK(pipe(waiter->told) == 0 && pipe(waiter->go) == 0);
    const int fds[] = {waiter->told[1], waiter->go[0]};
    struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    options.keep_fds = fds;
    options.keep_fds_count = 2;
    CHECK(forkcall_start(&waiter->call, child_waits_for_a_byte, fds, sizeof fds, NULL, &options) == 0);
    CHECK(read(waiter->told[0], &waiter->child, sizeof waiter->child) == (ssize_t)sizeof waiter->child);
    return 0;
}

/* ---- Processes ------------------------------------------------------------------------------- */

char state_of(pid_t pid)
{
    char path[64];
    char state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 0;
    fclose(file);
    return state;
}

int children_of(pid_t pid, pid_t *list, int max)
{
    char path[64], text[8192];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char *end = text;
    for (char *at = text;; at = end, count++) {
        const long child = strtol(at, &end, 10);
        if (end == at)
            return count;
        if (count < max)
            list[count] = (pid_t)child;
    }
}

struct wanted {
    pid_t server;
    int count;
};

static bool has_count(void *context)
{
    const struct wanted *wanted = context;
    if (!used_are_gone() || children_of(wanted->server, NULL, 0) != wanted->count)
        return false;
    /* A server that runs may have made a spare and not sent it to its host. */
    const char state = state_of(wanted->server);
    return state == 'S' || state == 'T';
}

bool spares_are(pid_t server, int count)
{
    struct wanted wanted = {server, count};
    if (wait_until(has_count, &wanted))
        return true;
    fprintf(stderr, "the server has %d children, not %d\n", children_of(server, NULL, 0), count);
    return false;
}

bool all_gone(const pid_t *list, int count)
{
    for (int i = 0; i < count; i++) {
        int pid = list[i];
        if (!wait_until(process_is_gone, &pid))
            return false;
    }
    return true;
}

/* ---- Programs -------------------------------------------------------------------------------- */

_Noreturn static void exec_program(const struct program *program, int output)
{
    char *args[32] = {(char *)(uintptr_t)program->path};
    char *environment[32];
    size_t count = 1;
    for (; program->args[count - 1] != NULL && count < 31; count++)
        args[count] = (char *)(uintptr_t)program->args[count - 1];
    args[count] = NULL;
    count = 0;
    if (program->environment != NULL) {
        const char *path = getenv("PATH");
        static char path_entry[4096];
        snprintf(path_entry, sizeof path_entry, "PATH=%s", path != NULL ? path : "/usr/bin:/bin");
        environment[count++] = path_entry;
        for (size_t i = 0; program->environment[i] != NULL && count < 31; i++)
            environment[count++] = (char *)(uintptr_t)program->environment[i];
    }
    environment[count] = NULL;
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    setpgid(0, 0);
    if (program->before != NULL && program->before(program->context) != 0)
        _exit(98);
    execve(program->path, args, program->environment != NULL ? environment : environ);
    fprintf(stderr, "%s: %s\n", program->path, strerror(errno));
    _exit(99);
}

struct running {
    pid_t pid;
    int status, output;
    char *text;
    size_t size, used;
};

static bool has_ended(void *context)
{
    struct running *running = context;
    struct pollfd p = {.fd = running->output, .events = POLLIN};
    const bool dead = waitpid(running->pid, &running->status, WNOHANG) == running->pid;
    while (poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0) {
        char data[1024];
        const ssize_t n = read(running->output, data, sizeof data);
        for (ssize_t i = 0; i < n; i++)
            if (running->used + 1 < running->size)
                running->text[running->used++] = data[i];
        if (n <= 0)
            break;
    }
    return dead;
}

int program_run(const struct program *program, char *output, size_t size)
{
    int ends[2];
    struct running running = {.status = -1, .text = output, .size = size};
    output[0] = '\0';
    if (pipe(ends) < 0)
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fflush(NULL);
    running.output = ends[0];
    running.pid = fork();
    if (running.pid == 0)
        exec_program(program, ends[1]);
    close(ends[1]);
    bool over = wait_until(has_ended, &running);
    if (!over) /* program_run may have deadlines of its own */
        over = wait_until(has_ended, &running);
    if (!over) {
        kill(-running.pid, SIGKILL);
        waitpid(running.pid, &running.status, 0);
    }
    kill(-running.pid, SIGKILL); /* ends the processes that the program has left running */
    output[running.used] = '\0';
    close(ends[0]);
    return WIFEXITED(running.status) ? WEXITSTATUS(running.status) : 1000 + WTERMSIG(running.status);
}

/* ---- Files ----------------------------------------------------------------------------------- */

bool directory_make(char path[64])
{
    snprintf(path, 64, "/tmp/forkcall-server-XXXXXX");
    return mkdtemp(path) != NULL && chmod(path, 0755) == 0;
}

bool file_copy(const char *from, const char *to, mode_t mode)
{
    char data[65536];
    ssize_t n = -1;
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (in >= 0 && out >= 0)
        while ((n = read(in, data, sizeof data)) > 0)
            if (write(out, data, (size_t)n) != n)
                break;
    const bool copied = n == 0 && fchmod(out, mode) == 0;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return copied;
}

void directory_remove(const char *path)
{
    const struct dirent *entry;
    DIR *list = opendir(path);
    if (list == NULL)
        return;
    while ((entry = readdir(list)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(list), entry->d_name, 0);
    closedir(list);
    rmdir(path);
}

void program_make(const char *from, mode_t mode, char directory[64], char path[96])
{
    assert_true(directory_make(directory));
    snprintf(path, 96, "%s/program", directory);
    assert_true(file_copy(from, path, mode));
}

int count_in_text(const char *whole, const char *text)
{
    int count = 0;
    for (const char *at = whole; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

int count_in_file(const char *path, const char *text)
{
    char line[256];
    int count = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        count += strstr(line, text) != NULL;
    fclose(file);
    return count;
}
