/* Checks every outcome of a call in the surroundings that a test has made. */
#include "outcomes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Watching -------------------------------------------------------------------------------- */

bool watch_open(struct watch *watch)
{
    int ends[2];
    if (pipe(ends) < 0)
        return false;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    *watch = (struct watch){ends[0], ends[1]};
    return true;
}

void watch_release(struct watch *watch)
{
    if (watch->write_end >= 0)
        close(watch->write_end);
    watch->write_end = -1;
}

/* musl's FD_SET shifts by a signed number, which -Wsign-conversion reports. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
static void put_into(int fd, fd_set *set)
{
    FD_SET(fd, set);
}
#pragma GCC diagnostic pop

/* Uses select(2), because some tests make the kernel refuse poll(2). */
static bool is_readable(int fd, int timeout_ms)
{
    struct timeval time = {.tv_sec = timeout_ms / 1000};
    fd_set set;
    FD_ZERO(&set);
    put_into(fd, &set);
    return select(fd + 1, &set, NULL, NULL, &time) == 1;
}

static bool has_hung_up(int fd, int timeout_ms)
{
    char byte;
    return is_readable(fd, timeout_ms) && read(fd, &byte, 1) == 0;
}

bool watch_all_gone(struct watch *watch)
{
    const double deadline = now_s() + DEADLINE_S;
    bool gone;
    watch_release(watch);
    while (!(gone = has_hung_up(watch->read_end, 1000)) && now_s() < deadline)
        continue;
    close(watch->read_end);
    return gone;
}

bool watch_any_lives(const struct watch *watch)
{
    return !has_hung_up(watch->read_end, 0);
}

/* ---- Children -------------------------------------------------------------------------------- */

void hang(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGALRM, SIG_DFL);
    alarm((unsigned)(4 * DEADLINE_S));
    for (;;)
        pause();
}

int child_answers_large(const void *args, size_t args_size, struct forkcall_buf *result)
{
    unsigned char *bytes = forkcall_buf_extend(result, LARGE_SIZE);
    (void)args;
    (void)args_size;
    if (bytes == NULL)
        return ENOMEM;
    for (size_t i = 0; i < LARGE_SIZE; i++)
        bytes[i] = (unsigned char)(i * 31 >> 3);
    return 0;
}

bool is_large_answer(const struct forkcall_buf *result)
{
    const unsigned char *bytes = result->data;
    if (result->size != LARGE_SIZE)
        return false;
    for (size_t i = 0; i < LARGE_SIZE; i++)
        if (bytes[i] != (unsigned char)(i * 31 >> 3))
            return false;
    return true;
}

int child_exits_3(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    exit(3); // NOLINT(concurrency-mt-unsafe): what is tested
}

int child_ends_4(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    _exit(4);
}

int child_crashes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    volatile int *volatile nowhere = (volatile int *)16; // NOLINT(performance-no-int-to-ptr): not mapped
    const struct rlimit no_core = {0, 0};
    (void)args;
    (void)args_size;
    (void)result;
    setrlimit(RLIMIT_CORE, &no_core);
    *nowhere = 1;
    return 0;
}

enum end { END_HANG, END_CRASH, END_EXIT };

/* Leaves a process behind in its group, says so by a report of progress, and ends. args: an enum
 * end. */
static int child_leaves_a_process(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const enum end end = *(const enum end *)args;
    const pid_t pid = fork();
    if (pid < 0)
        return 1;
    if (pid == 0)
        hang();
    forkcall_progress(1, 0, NULL);
    if (end == END_CRASH)
        return child_crashes(args, args_size, result);
    if (end == END_EXIT)
        return child_ends_4(args, args_size, result);
    hang();
    return 0;
}

static int count_progress(void *user, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    ++*(int *)user;
    return 0;
}

static int cancel_by_progress(void *user, double done, double total, const char *note)
{
    count_progress(user, done, total, note);
    return 1;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static void wait_by_descriptor(struct forkcall_call *call)
{
    const int fd = forkcall_fd(call);
    while (forkcall_wait(call, fd < 0 ? -1 : 0) == 0)
        is_readable(fd, PLENTY_MS);
}

struct forkcall_report run_in(const struct surroundings *around, forkcall_fn *fn, const void *args, size_t args_size,
                              struct forkcall_buf *result, const struct forkcall_options *options)
{
    struct forkcall_call *call = NULL;
    if (!around->async)
        return run_tested(fn, args, args_size, result, options);
    if (start_tested(&call, fn, args, args_size, result, options) == 0)
        wait_by_descriptor(call);
    return forkcall_finish(call);
}

static struct forkcall_options patient(const struct surroundings *around)
{
    struct forkcall_options options = around->options;
    options.timeout_ms = PLENTY_MS;
    return options;
}

static struct forkcall_report simple(const struct surroundings *around, forkcall_fn *fn)
{
    const struct forkcall_options options = patient(around);
    return run_in(around, fn, NULL, 0, NULL, &options);
}

static bool says(const struct forkcall_report *report, enum forkcall_status status, int code)
{
    if (report->status == status && report->code == code)
        return true;
    fprintf(stderr, "%s, code %d: %s\n", forkcall_status_name(report->status), report->code, report->message);
    return false;
}

static bool lost(const struct surroundings *around, const struct forkcall_report *report)
{
    return around->may_be_lost && report->status == FORKCALL_LOST && report->wait_status == -1 &&
           report->message[0] != '\0';
}

int check_results(const struct surroundings *around)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = patient(around);
    struct forkcall_report report = run_in(around, child_echoes, "some bytes", 10, &result, &options);
    CHECK(says(&report, FORKCALL_OK, 0));
    CHECK(result.size == 10 && memcmp(result.data, "some bytes", 10) == 0);
    CHECK(report.wait_status == wait_status_of_told_end(0) || around->may_be_lost);
    CHECK(report.ran == FORKCALL_RAN_YES);
    report = run_in(around, child_answers_large, NULL, 0, &result, &options);
    CHECK(says(&report, FORKCALL_OK, 0));
    CHECK(is_large_answer(&result));
    forkcall_buf_free(&result);
    return 0;
}

static int check_ends(const struct surroundings *around)
{
    struct forkcall_report report = simple(around, child_fails_7);
    CHECK(says(&report, FORKCALL_FAILED, 7));
    report = simple(around, child_exits_3);
    CHECK(report.status == FORKCALL_EXITED);
    /* Only glibc tells a handler of atexit() the status. Otherwise the code is -1. */
    CHECK(report.code == 3 || report.code == -1);
    report = simple(around, child_ends_4);
    CHECK(lost(around, &report) || says(&report, FORKCALL_EXITED, 4));
    report = simple(around, child_kills_itself);
    CHECK(lost(around, &report) || says(&report, FORKCALL_SIGNALED, SIGKILL));
    report = simple(around, child_crashes);
    CHECK(says(&report, FORKCALL_SIGNALED, SIGSEGV)); /* The child itself has reported the crash. */
    return 0;
}

/* Checks calls that are ended from outside while their group has two processes. */
static int check_ended_with_group(const struct surroundings *around)
{
    const enum end end = END_HANG;
    int reports = 0;
    struct watch watch;
    struct forkcall_options options = around->options;
    options.user = &reports;
    options.progress = count_progress;
    options.timeout_ms = 60;
    CHECK(watch_open(&watch));
    options.keep_fds = &watch.write_end;
    options.keep_fds_count = 1;
    struct forkcall_report report = run_in(around, child_leaves_a_process, &end, sizeof end, NULL, &options);
    CHECK(report.status == FORKCALL_TIMED_OUT);
    CHECK(watch_all_gone(&watch));
    options.timeout_ms = PLENTY_MS;
    options.progress = cancel_by_progress;
    reports = 0;
    CHECK(watch_open(&watch));
    report = run_in(around, child_leaves_a_process, &end, sizeof end, NULL, &options);
    CHECK(report.status == FORKCALL_CANCELED && reports == 1);
    CHECK(watch_all_gone(&watch));
    return 0;
}

/* Checks calls that end by themselves and leave a process in their group. */
static int check_left_group(const struct surroundings *around)
{
    static const enum end ends[] = {END_CRASH, END_EXIT};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int reports = 0;
        struct watch watch;
        struct forkcall_options options = patient(around);
        options.user = &reports;
        options.progress = count_progress;
        CHECK(watch_open(&watch));
        options.keep_fds = &watch.write_end;
        options.keep_fds_count = 1;
        const struct forkcall_report report =
            run_in(around, child_leaves_a_process, &ends[i], sizeof ends[i], NULL, &options);
        CHECK(report.status == (ends[i] == END_CRASH ? FORKCALL_SIGNALED : FORKCALL_EXITED) || lost(around, &report));
        CHECK(reports == 1);
        CHECK(watch_all_gone(&watch));
    }
    return 0;
}

int check_outcomes(const struct surroundings *around)
{
    CHECK(check_results(around) == 0);
    CHECK(check_ends(around) == 0);
    CHECK(check_ended_with_group(around) == 0);
    if (!around->group_may_live)
        CHECK(check_left_group(around) == 0);
    return 0;
}

int check_outcomes_both_ways(struct surroundings around)
{
    around.async = false;
    CHECK(check_outcomes(&around) == 0);
    around.async = true;
    CHECK(check_outcomes(&around) == 0);
    return 0;
}

/* True: the kernel sends signals to the group of a process that has ended (Linux 6.9). */
static bool kernel_signals_groups(void)
{
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    const long child = syscall(434, pid, 0); /* pidfd_open */
    syscall(424, child, 0, NULL, 1U << 2);   /* pidfd_send_signal */
    const bool known = child >= 0 && errno != EINVAL;
    waitpid(pid, NULL, 0);
    if (child >= 0)
        close((int)child);
    return known;
}

struct surroundings surroundings_of_reaper(void)
{
#ifdef TEST_PORTABLE
    const bool portable = true;
#else
    const bool portable = false;
#endif
    if (tested_method() == FORKCALL_SERVER)
        return (struct surroundings){.async = false};
    return (struct surroundings){.may_be_lost = portable || !kernel_keeps_exit_codes(),
                                 .group_may_live = portable || !kernel_signals_groups()};
}
