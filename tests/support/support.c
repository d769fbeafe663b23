/* Helpers that all tests share. */
#include "support.h"

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool wait_until(bool (*condition)(void *), void *context)
{
    const double deadline = now_s() + DEADLINE_S;
    while (!condition(context)) {
        if (now_s() > deadline)
            return false;
        usleep(1000);
    }
    return true;
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *list = opendir("/proc/self/fd");
    if (list == NULL)
        return -1;
    while (readdir(list) != NULL)
        n++;
    closedir(list);
    return n;
}

/* The heap counts as one: the kernel may keep what was added to it apart. */
static int count_mappings(void)
{
    char line[512];
    int n = 0;
    bool begins = true, is_heap = false;
    FILE *file = fopen("/proc/self/maps", "re");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof line, file) != NULL) {
        const bool again = begins && is_heap && strstr(line, "[heap]") != NULL;
        n += begins && !again;
        is_heap = begins ? strstr(line, "[heap]") != NULL : is_heap;
        begins = strchr(line, '\n') != NULL;
    }
    fclose(file);
    return n;
}

static int count_children(void)
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        n += c == ' '; /* The fields are separated by spaces. */
    fclose(file);
    return n;
}

/* As many children as can wait for another call do wait afterwards: so they are the same number
 * before and after a case. A server has two spares if nobody says otherwise. */
static void fill_kept_children(void)
{
    struct forkcall_call *call[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(start_tested(&call[i], child_returns_0, NULL, 0, NULL, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(forkcall_finish(call[i]).status, FORKCALL_OK);
}

struct traces traces_now(void)
{
    if (tested_calls_reuse_children())
        fill_kept_children();
    return (struct traces){count_descriptors(), count_children(), count_mappings()};
}

static void print_descriptors(void)
{
    char path[64], target[256];
    for (int fd = 0; fd < 1024; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const ssize_t size = readlink(path, target, sizeof target);
        if (size > 0)
            print_error("descriptor %d: %.*s\n", fd, (int)size, target);
    }
}

void assert_no_traces(struct traces before, bool check_mappings)
{
    const struct traces after = traces_now();
    if (after.descriptors != before.descriptors)
        print_descriptors();
    assert_int_equal(after.descriptors, before.descriptors);
    assert_int_equal(after.children, before.children);
    if (check_mappings && !under_valgrind())                 /* valgrind maps memory for itself */
        assert_in_range(after.mappings, 0, before.mappings); /* an allocator may give memory back */
}

char process_state(int pid)
{
    char path[64];
    char state = '-';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return '-';
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1 || state == 'X')
        state = '-';
    fclose(file);
    return state;
}

bool process_lives(int pid)
{
    const char state = process_state(pid);
    return state != 'Z' && state != '-';
}

bool process_is_gone(void *pid)
{
    return !process_lives(*(int *)pid);
}

unsigned lonely_user(void)
{
    /* A user namespace often has no more than 65,536 users. */
    return 20000U + (unsigned)getpid() % 40000U;
}

void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s (errno %d)\n", file, line, condition, errno);
}

struct host {
    pid_t pid;
    int status;
};

static bool host_has_ended(void *context)
{
    struct host *host = context;
    return waitpid(host->pid, &host->status, WNOHANG) == host->pid;
}

void (*host_ends)(void);

int host_run(int (*body)(void *), void *context)
{
    static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS};
    struct host host = {.status = -1};
    fflush(NULL);
    host.pid = fork();
    assert_true(host.pid >= 0);
    if (host.pid == 0) {
        /* cmocka's signal handlers would jump back into the test runner, in this forked process. */
        for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
            signal(caught[i], SIG_DFL);
        setpgid(0, 0);
        const int r = body(context);
        if (host_ends != NULL)
            host_ends();
        fflush(NULL);
        _exit(r);
    }
    if (!wait_until(host_has_ended, &host)) {
        kill(host.pid, SIGKILL);
        waitpid(host.pid, &host.status, 0);
    }
    kill(-host.pid, SIGKILL); /* also kills processes that the host has left behind */
    return WIFEXITED(host.status) ? WEXITSTATUS(host.status) : 1000 + WTERMSIG(host.status);
}

int child_returns_0(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 0;
}

int child_answers_42(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int answer = 42;
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &answer, sizeof answer);
}

int child_echoes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    return forkcall_buf_append(result, args, args_size);
}

int child_fails_7(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 7;
}

int child_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (;;)
        pause();
}

int child_kills_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    raise(SIGKILL);
    return 0;
}

enum forkcall_method tested_method(void)
{
    const char *name = getenv("FORKCALL_TEST_METHOD");
    if (name == NULL || strcmp(name, "fork") == 0)
        return FORKCALL_FORK;
    if (strcmp(name, "server") == 0 || tested_calls_reuse_children())
        return FORKCALL_SERVER;
    if (strcmp(name, "spawn") == 0)
        return FORKCALL_SPAWN;
    fprintf(stderr, "FORKCALL_TEST_METHOD: %s is none\n", name);
    abort();
}

bool tested_calls_reuse_children(void)
{
    const char *name = getenv("FORKCALL_TEST_METHOD");
    return name != NULL && strcmp(name, "reuse") == 0;
}

bool method_shares_memory(void)
{
    return tested_method() == FORKCALL_FORK;
}

static struct forkcall_options by_tested_method(const struct forkcall_options *options)
{
    struct forkcall_options with = {.method = FORKCALL_AUTO};
    if (options != NULL)
        with = *options;
    if (with.method == FORKCALL_AUTO)
        with.method = tested_method();
    with.reuse_child |= tested_calls_reuse_children();
    return with;
}

struct forkcall_report run_tested(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result,
                                  const struct forkcall_options *options)
{
    const struct forkcall_options with = by_tested_method(options);
    return forkcall_run(fn, args, args_size, result, &with);
}

int start_tested(struct forkcall_call **call, forkcall_fn *fn, const void *args, size_t args_size,
                 struct forkcall_buf *result, const struct forkcall_options *options)
{
    const struct forkcall_options with = by_tested_method(options);
    return forkcall_start(call, fn, args, args_size, result, &with);
}

bool warm_up(void)
{
    const struct forkcall_options options = {.allow_unsafe_fork = true};
    const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &options);
    if (report.status != FORKCALL_OK)
        fprintf(stderr, "a first call: %s: %s\n", forkcall_status_name(report.status), report.message);
    return report.status == FORKCALL_OK;
}

int wait_status_of_told_end(int as_waitpid_gives_it)
{
    return tested_method() == FORKCALL_SERVER ? -1 : as_waitpid_gives_it;
}

void assert_status_at(const struct forkcall_report *report, enum forkcall_status wanted, const char *file, int line)
{
    char text[2048];
    if (report->status == wanted)
        return;
    forkcall_explain(report, text, sizeof text);
    print_error("%s:%d: %s instead of %s: %s\n", file, line, forkcall_status_name(report->status),
                forkcall_status_name(wanted), text);
    fail();
}

void assert_told_as_sent(const struct forkcall_report *report)
{
#ifdef FC_SENDER_IS_TOLD
    char sent[64] = "(sent by the function itself)";
    if (report->crash.sender_pid != report->pid)
        snprintf(sent, sizeof sent, "(sent by process %d of user %u)", (int)report->crash.sender_pid, getuid());
    assert_true(report->crash.sender_pid == report->pid || report->crash.sender_pid == getpid());
    assert_int_equal(report->crash.sender_uid, getuid());
    assert_non_null(strstr(report->message, sent));
#else
    assert_null(strstr(report->message, "sent"));
    assert_null(strchr(report->message, '('));
#endif
}

unsigned long memory_available(void)
{
    char line[256];
    unsigned long kb = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "MemAvailable:", 13) == 0)
            kb = strtoul(line + 13, NULL, 10);
    fclose(file);
    return kb;
}

bool under_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECK 1
#endif
#endif
#ifdef HAS_LEAK_CHECK
/* LeakSanitizer asks. The children of tests end in the midst of their work, and there are thousands
 * of them: only the tests themselves are looked at. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return forkcall_in_child();
}
#endif

bool under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

bool under_emulator(void)
{
    /* The CI sets this variable to the emulator that it uses. */
    return getenv("FORKCALL_TEST_EMULATOR") != NULL;
}

bool has_musl(void)
{
#if defined __linux__ && !defined __GLIBC__
    return true;
#else
    return false;
#endif
}

bool may_seem_threaded(void)
{
    return under_sanitizer() || under_emulator();
}

enum forkcall_status status_of_closed_channel(void)
{
    return under_emulator() ? FORKCALL_EXITED : FORKCALL_LOST;
}

bool kernel_keeps_exit_codes(void)
{
    struct {
        uint64_t mask;
        char rest[56];
    } info = {.mask = 1U << 3};
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    /* The call is pidfd_open(2). The child cannot be reaped before waitpid(). */
    const long child = syscall(434, pid, 0);
    waitpid(pid, NULL, 0);
    if (child < 0)
        return false;
    const bool kept = syscall(SYS_ioctl, (int)child, _IOWR(0xFF, 11, info), &info) == 0 && (info.mask & (1U << 3)) != 0;
    close((int)child);
    return kept;
}
