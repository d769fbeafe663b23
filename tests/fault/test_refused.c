/* Lets the kernel refuse each system call in turn, with EPERM and with ENOSYS, as a sandbox does:
 * to the calling thread and to all that it starts. Each time the call ends in bounded time, its
 * report is true, nothing is left behind, and a call by another thread of the same process works.
 *
 * A filter applies to one thread (seccomp(2)), so the thread that looks for what is left behind is
 * free of it. */
#include "children.h"
#include "fault.h"
#include "outcomes.h"
#include "refuse_syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The timeout of calls that do not end by themselves. */
#define SOON_MS (1500 * time_factor())
#define NO_MEMORY_TO_NOTE 98 /* the error code of the function */

/* What is lost by the refusal itself, whatever the library does. */
enum needs {
    KEEPS_DESCRIPTORS = 1, /* descriptors cannot be closed */
    /* The child cannot send its answer, or the caller cannot read it. */
    NEVER_ENDS = 2,
};

#define MORE 6

static const struct refused_call {
    const char *name;
    long number;
    unsigned needs;
    long more[MORE]; /* system calls that are refused together with it; 0: none */
} subjects[] = {
#define REFUSED_CALL(name, needs) \
    {                             \
#name, SYS_##name, needs, \
        {                         \
            0                     \
        }                         \
    }
    REFUSED_CALL(read, NEVER_ENDS),
    REFUSED_CALL(write, NEVER_ENDS),
    REFUSED_CALL(writev, 0),
    REFUSED_CALL(openat, 0),
    REFUSED_CALL(close, KEEPS_DESCRIPTORS),
    REFUSED_CALL(newfstatat, 0),
    REFUSED_CALL(fstat, 0),
    REFUSED_CALL(statx, 0),
    REFUSED_CALL(lseek, 0),
    REFUSED_CALL(mmap, 0),
    REFUSED_CALL(mprotect, 0),
    REFUSED_CALL(munmap, 0),
    REFUSED_CALL(brk, 0),
    REFUSED_CALL(rt_sigaction, 0),
    REFUSED_CALL(rt_sigprocmask, 0),
    REFUSED_CALL(ioctl, 0),
    REFUSED_CALL(pread64, 0),
    REFUSED_CALL(sched_yield, 0),
    REFUSED_CALL(madvise, 0),
    REFUSED_CALL(dup, 0),
    REFUSED_CALL(dup3, 0),
    REFUSED_CALL(clock_nanosleep, 0),
    REFUSED_CALL(getpid, 0),
    REFUSED_CALL(socketpair, 0),
    REFUSED_CALL(sendmsg, 0),
    REFUSED_CALL(recvmsg, 0),
    REFUSED_CALL(recvfrom, 0),
    REFUSED_CALL(shutdown, 0),
    REFUSED_CALL(getsockopt, 0),
    REFUSED_CALL(setsockopt, 0),
    REFUSED_CALL(clone, 0),
    REFUSED_CALL(execve, 0),
    REFUSED_CALL(wait4, 0),
    REFUSED_CALL(waitid, 0),
    REFUSED_CALL(kill, 0),
    REFUSED_CALL(tgkill, 0),
    REFUSED_CALL(uname, 0),
    REFUSED_CALL(fcntl, 0),
    REFUSED_CALL(ftruncate, 0),
    REFUSED_CALL(getdents64, 0),
    REFUSED_CALL(readlinkat, 0),
    REFUSED_CALL(umask, 0),
    REFUSED_CALL(prlimit64, 0),
    REFUSED_CALL(getrusage, 0),
    REFUSED_CALL(getuid, 0),
    REFUSED_CALL(geteuid, 0),
    REFUSED_CALL(getresuid, 0),
    REFUSED_CALL(getresgid, 0),
    REFUSED_CALL(setfsuid, 0),
    REFUSED_CALL(setfsgid, 0),
    REFUSED_CALL(getgroups, 0),
    REFUSED_CALL(setpgid, 0),
    REFUSED_CALL(getsid, 0),
    REFUSED_CALL(getppid, 0),
    REFUSED_CALL(sigaltstack, 0),
    REFUSED_CALL(prctl, 0),
    REFUSED_CALL(sched_getaffinity, 0),
    REFUSED_CALL(sched_setaffinity, 0),
    REFUSED_CALL(sched_setscheduler, 0),
    REFUSED_CALL(sched_getscheduler, 0),
    REFUSED_CALL(getpriority, 0),
    REFUSED_CALL(setpriority, 0),
    REFUSED_CALL(ioprio_get, 0),
    REFUSED_CALL(ioprio_set, 0),
    REFUSED_CALL(capget, 0),
    REFUSED_CALL(capset, 0),
    REFUSED_CALL(keyctl, 0),
    REFUSED_CALL(personality, 0),
    REFUSED_CALL(timerfd_create, 0),
    REFUSED_CALL(timerfd_settime, 0),
    REFUSED_CALL(epoll_create1, 0),
    REFUSED_CALL(epoll_ctl, 0),
    REFUSED_CALL(eventfd2, 0),
    REFUSED_CALL(pipe2, 0),
    REFUSED_CALL(memfd_create, 0),
    REFUSED_CALL(getrandom, 0),
    REFUSED_CALL(unshare, 0),
    REFUSED_CALL(kcmp, 0),
#ifdef SYS_poll
    REFUSED_CALL(poll, 0),
    REFUSED_CALL(access, 0),
    REFUSED_CALL(readlink, 0),
    REFUSED_CALL(dup2, 0),
    REFUSED_CALL(getpgrp, 0),
    REFUSED_CALL(vfork, 0),
    {"poll and select", SYS_poll, 0, {SYS_ppoll, SYS_select, SYS_pselect6}},
    {"every wait", SYS_poll, 0, {SYS_ppoll, SYS_select, SYS_pselect6, SYS_nanosleep, SYS_clock_nanosleep}},
#else
    REFUSED_CALL(ppoll, 0),
    {"ppoll and pselect6", SYS_ppoll, 0, {SYS_pselect6}},
    {"every wait", SYS_ppoll, 0, {SYS_pselect6, SYS_nanosleep, SYS_clock_nanosleep}},
#endif
    {"clone3", 435, 0, {0}},
    {"close_range", 436, 0, {0}},
    {"pidfd_open", 434, 0, {0}},
    {"pidfd_send_signal", 424, 0, {0}},
};

struct trial {
    const struct refused_call *refused_call;
    int error;
    bool async; /* async calls also have a large result and captured streams */
};

/* ---- The call -------------------------------------------------------------------------------- */

static int note_run(void)
{
    const char *name = getenv("FORKCALL_TEST_SHARED_MEMORY");
    if (!method_shares_memory() && (name == NULL || access(name, R_OK) < 0))
        return NO_MEMORY_TO_NOTE;
    atomic_fetch_add((atomic_int *)shared_memory(), 1);
    return 0;
}

static int answers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int r = note_run();
    return r != 0 ? r : child_answers_42(args, args_size, result);
}

static int answers_large(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int r = note_run();
    return r != 0 ? r : child_answers_large(args, args_size, result);
}

static int take_output(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

static struct forkcall_report call(bool async, int timeout_ms, struct forkcall_buf *result)
{
    static const char args[40000];
    struct forkcall_options options = {.timeout_ms = timeout_ms, .allow_unsafe_fork = true};
    struct forkcall_report none = {.status = FORKCALL_NOT_STARTED, .ran = FORKCALL_RAN_NO, .code = ENOMEM};
    struct forkcall_call *handle = NULL;
    if (!async)
        return run_tested(answers, args, 3, result, &options);
    options.standard_output = FORKCALL_STREAM_CAPTURE;
    options.output = take_output;
    if (start_tested(&handle, answers_large, args, sizeof args, result, &options) < 0) {
        strcpy(none.message, "no memory");
        return none;
    }
    forkcall_wait(handle, -1);
    return forkcall_finish(handle);
}

/* ---- The thread in the sandbox --------------------------------------------------------------- */

struct sandboxed {
    const struct trial *trial;
    struct forkcall_report report;
    struct forkcall_buf result;
    atomic_int state; /* 0; 1: there is a report; 2: the system has no such filters */
};

static void *call_in_sandbox(void *arg)
{
    struct sandboxed *s = arg;
    const struct refused_call *refused_call = s->trial->refused_call;
    struct refusal rules[1 + MORE] = {{.number = refused_call->number, .error = s->trial->error, .argument = -1}};
    int count = 1;
    for (; count <= MORE && refused_call->more[count - 1] != 0; count++)
        rules[count] =
            (struct refusal){.number = refused_call->more[count - 1], .error = s->trial->error, .argument = -1};
    if (refuse(rules, count)) {
        const bool ends = (s->trial->refused_call->needs & NEVER_ENDS) == 0;
        s->report = call(s->trial->async, ends ? BOUND_MS : SOON_MS, &s->result);
        atomic_store(&s->state, 1);
    } else {
        atomic_store(&s->state, 2);
    }
    syscall(SYS_exit, 0); /* ending a thread by the C library needs calls that may be refused */
    return NULL;
}

static bool has_ended(void *arg)
{
    return atomic_load(&((struct sandboxed *)arg)->state) != 0;
}

static const char *what_is_wrong(const struct trial *trial, const struct forkcall_report *report,
                                 const struct forkcall_buf *result)
{
    const int runs = atomic_load((atomic_int *)shared_memory());
    if (runs > 1)
        return "the function ran twice";
    if (report->ran == FORKCALL_RAN_NO && runs != 0)
        return "it is said not to have run, and did";
    if (report->ran == FORKCALL_RAN_YES && runs == 0 && report->code != NO_MEMORY_TO_NOTE)
        return "it is said to have run, and did not";
    if (report->status != FORKCALL_OK && (report->message[0] == '\0' || result->size != 0))
        return "no message, or a result all the same";
    switch (report->status) {
    case FORKCALL_OK:
        return trial->async ? (is_large_answer(result) ? NULL : "wrong answer")
                            : (*(int *)result->data == 42 ? NULL : "wrong answer");
    case FORKCALL_TIMED_OUT:
        return (trial->refused_call->needs & NEVER_ENDS) != 0 ? NULL : "it does not end by itself";
    case FORKCALL_NOT_STARTED:
        return report->code > 0 && report->ran == FORKCALL_RAN_NO ? NULL : "no code, or it may have run";
    default:
        return NULL;
    }
}

/* Counts the processes of this process's own session: this process and all that it starts directly
 * or indirectly (the re-executed program, the server and its children), whatever group they are
 * in. */
static int processes_of_session(void)
{
    int count = 0;
    DIR *list = opendir("/proc");
    for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
        char path[300];
        char state;
        int session;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (file == NULL)
            continue;
        // NOLINTNEXTLINE(cert-err34-c): the kernel wrote it
        if (fscanf(file, "%*d (%*[^)]) %c %*d %*d %d", &state, &session) == 2)
            count += session == getsid(0) && state != 'Z' && state != 'X';
        fclose(file);
    }
    if (list != NULL)
        closedir(list);
    return count;
}

static bool is_alone(void *none)
{
    (void)none;
    return processes_of_session() == 1;
}

/* Threads are not counted. The next call has reaped what an earlier one left. */
static int check_what_is_left(const struct trial *trial, struct traces before)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call(trial->async, 0, &result);
    if (report.status != FORKCALL_OK)
        fprintf(stderr, "the next call: %s: %s\n", forkcall_status_name(report.status), report.message);
    CHECK(report.status == FORKCALL_OK);
    forkcall_buf_free(&result);
    forkcall_server_stop();
    const struct traces after = traces_now();
    CHECK(after.children == before.children);
    CHECK(after.descriptors == before.descriptors || (trial->refused_call->needs & KEEPS_DESCRIPTORS) != 0);
    CHECK(wait_until(is_alone, NULL));
    return 0;
}

static int try_in_session(const struct trial *trial)
{
    struct sandboxed s = {.trial = trial, .result = FORKCALL_BUF_INIT};
    pthread_t thread;
    const struct traces before = traces_now();
    CHECK(pthread_create(&thread, NULL, call_in_sandbox, &s) == 0);
    CHECK(wait_until(has_ended, &s));
    if (atomic_load(&s.state) == 2)
        return NOT_HERE;
    const char *wrong = what_is_wrong(trial, &s.report, &s.result);
    if (wrong != NULL || getenv("FORKCALL_TEST_VERBOSE") != NULL)
        fprintf(stderr, "%s: %s, ran %d (seen %d), code %d: %s\n", wrong != NULL ? wrong : "right",
                forkcall_status_name(s.report.status), (int)s.report.ran, atomic_load((atomic_int *)shared_memory()),
                s.report.code, s.report.message);
    CHECK(wrong == NULL);
    forkcall_buf_free(&s.result);
    return check_what_is_left(trial, before);
}

/* The leader of a process group cannot begin a session, so a fork does. */
static int try_it(void *context)
{
    int status = 0;
    const pid_t maker = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != maker || setsid() < 0)
            _exit(2);
        const int r = try_in_session(context);
        fflush(NULL);
        _exit(r);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void try_all(int error)
{
    int failures = 0;
    if (has_musl())
        SKIP("musl's own functions wait for ever, or end the process, where these are refused");
    if (under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("the tool itself cannot do without these system calls");
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        for (int async = 0; async < 2; async++) {
            struct trial trial = {&subjects[i], error, async != 0};
            clear_shared_memory();
            const int r = host_run(try_it, &trial);
            if (r == NOT_HERE)
                SKIP("system calls cannot be refused here");
            if (r != 0)
                print_error("%s (errno %d), %s: %d\n", subjects[i].name, error, async != 0 ? "async" : "sync", r);
            failures += r != 0;
        }
    }
    assert_int_equal(failures, 0);
}

static void each_system_call_is_refused_by_eperm(void **state)
{
    (void)state;
    try_all(EPERM);
}

static void each_system_call_is_refused_by_enosys(void **state)
{
    (void)state;
    try_all(ENOSYS);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_system_call_is_refused_by_eperm),
        cmocka_unit_test(each_system_call_is_refused_by_enosys),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
