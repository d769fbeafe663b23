/* Tests hosts without standard streams, and hosts with a very high limit on descriptors. */
#include "outcomes.h"
#include "refuse_syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- 0, 1, 2 closed -------------------------------------------------------------------------- */

/* The descriptors 0, 1 and 2 as the child finds them. */
struct seen {
    bool open[3], null[3];
};

static void look(struct seen *seen)
{
    struct stat null;
    const bool known = stat("/dev/null", &null) == 0;
    memset(seen, 0, sizeof *seen);
    for (int fd = 0; fd < 3; fd++) {
        struct stat file;
        seen->open[fd] = fstat(fd, &file) == 0;
        seen->null[fd] = seen->open[fd] && known && file.st_rdev == null.st_rdev;
    }
}

static int child_looks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct seen seen;
    (void)args;
    (void)args_size;
    look(&seen);
    return forkcall_buf_append(result, &seen, sizeof seen);
}

static int child_writes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    if (write(1, "out", 3) != 3 || write(2, "err", 3) != 3)
        return 1;
    return child_answers_42(NULL, 0, result);
}

struct output {
    char text[3][64];
};

static int take_output(void *user, int fd, const char *data, size_t size)
{
    struct output *output = user;
    strncat(output->text[fd], data, size < 60 ? size : 60);
    return 0;
}

static int check_inherited(const struct surroundings *around, const struct seen *host)
{
    struct seen seen;
    struct forkcall_buf result = forkcall_buf_fixed(&seen, sizeof seen);
    const struct forkcall_report report = run_in(around, child_looks, NULL, 0, &result, &around->options);
    CHECK(report.status == FORKCALL_OK);
    CHECK(memcmp(&seen, host, sizeof seen) == 0);
    return 0;
}

static int check_null(const struct surroundings *around)
{
    struct seen seen;
    struct forkcall_buf result = forkcall_buf_fixed(&seen, sizeof seen);
    struct forkcall_options options = around->options;
    options.standard_input = options.standard_output = options.standard_error = FORKCALL_STREAM_NULL;
    const struct forkcall_report report = run_in(around, child_looks, NULL, 0, &result, &options);
    CHECK(report.status == FORKCALL_OK);
    CHECK(seen.null[0] && seen.null[1] && seen.null[2]);
    return 0;
}

static int check_captured(const struct surroundings *around)
{
    struct output output = {{"", "", ""}};
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    struct forkcall_options options = around->options;
    options.standard_output = options.standard_error = FORKCALL_STREAM_CAPTURE;
    options.output = take_output;
    options.user = &output;
    const struct forkcall_report report = run_in(around, child_writes, NULL, 0, &result, &options);
    CHECK(report.status == FORKCALL_OK && answer == 42);
    CHECK(strcmp(output.text[1], "out") == 0);
    CHECK(strcmp(output.text[2], "err") == 0);
    return 0;
}

/* A host that has changed its standard streams: bits of the closed ones, and of the close-on-exec
 * ones. */
struct changed {
    unsigned closed, close_on_exec;
};

/* If descriptor 2 is closed, a failure cannot be printed: only the exit status shows it. */
static int change_streams(void *context)
{
    const struct changed *changed = context;
    struct surroundings around = {.async = false};
    struct seen host;
    struct seen after;
    signal(SIGPIPE, SIG_DFL);
    for (int fd = 0; fd < 3; fd++) {
        if ((changed->close_on_exec & 1U << fd) != 0)
            CHECK(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
        if ((changed->closed & 1U << fd) != 0)
            close(fd);
    }
    look(&host);
    for (int async = 0; async < 2; async++) {
        around.async = async != 0;
        CHECK(check_results(&around) == 0);
        CHECK(check_inherited(&around, &host) == 0);
        CHECK(check_null(&around) == 0);
        CHECK(check_captured(&around) == 0);
    }
    look(&after);
    CHECK(memcmp(&host, &after, sizeof host) == 0);
    return 0;
}

static void host_with_0_1_2_closed_in_every_combination(void **state)
{
    (void)state;
    for (unsigned closed = 0; closed < 8; closed++) {
        struct changed changed = {.closed = closed};
        if (host_run(change_streams, &changed) == 0)
            continue;
        fail_msg("failed with 0x%x closed", closed);
    }
}

/* The function has all standard streams by every method; also if one of them is closed. */
static void host_with_0_1_2_close_on_exec(void **state)
{
    (void)state;
    for (unsigned closed = 0; closed < 3; closed++) {
        struct changed changed = {.closed = closed, .close_on_exec = 7};
        if (host_run(change_streams, &changed) == 0)
            continue;
        fail_msg("failed with 0x%x closed", closed);
    }
}

/* While the call runs, none of its descriptors has a number at which the host would open its
 * streams again. */
static int leave_the_numbers_free(void *unused)
{
    struct forkcall_call *call = NULL;
    (void)unused;
    close(0);
    close(1);
    close(2);
    if (start_tested(&call, child_hangs, NULL, 0, NULL, NULL) != 0)
        return 1;
    forkcall_fd(call);
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return 2;
    forkcall_cancel(call);
    return forkcall_finish(call).status == FORKCALL_CANCELED ? 0 : 3;
}

static void channel_of_a_live_call_is_never_0_1_2(void **state)
{
    (void)state;
    assert_int_equal(host_run(leave_the_numbers_free, NULL), 0);
}

/* ---- SIGPIPE --------------------------------------------------------------------------------- */

static volatile bool die_in_fork;

static void die(void)
{
    if (die_in_fork)
        _exit(9);
}

/* The child has ended before its caller writes to it. */
static int lose_child_at_once(void *unused)
{
    (void)unused;
    signal(SIGPIPE, SIG_DFL);
    CHECK(pthread_atfork(NULL, NULL, die) == 0);
    for (int i = 0; i < 50; i++) {
        const struct forkcall_options options = {.timeout_ms = PLENTY_MS, .method = FORKCALL_FORK};
        die_in_fork = true;
        const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &options);
        die_in_fork = false;
        CHECK(report.status == FORKCALL_EXITED && report.code == 9);
        CHECK(report.ran != FORKCALL_RAN_YES);
    }
    return 0;
}

static void child_gone_before_it_was_let_go_with_SIGPIPE_default(void **state)
{
    (void)state;
    if (!method_shares_memory())
        SKIP("nothing runs in the child before the library does");
    assert_int_equal(host_run(lose_child_at_once, NULL), 0);
}

/* ---- A huge RLIMIT_NOFILE -------------------------------------------------------------------- */

#define KEPT 100
#define CLOSED 101
#define TRIED 4096
#define HIGH_MAX 1000000 /* the kernel's table has 8 bytes for each descriptor below the highest */

struct open_set {
    unsigned char bits[TRIED / 8];
    bool high;
};

struct query {
    int high; /* a descriptor near the limit */
};

static int child_lists(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct open_set *set = forkcall_buf_extend(result, sizeof *set);
    (void)args_size;
    if (set == NULL)
        return ENOMEM;
    memset(set, 0, sizeof *set);
    for (int fd = 0; fd < TRIED; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            set->bits[fd / 8] |= (unsigned char)(1 << fd % 8);
    set->high = fcntl(((const struct query *)args)->high, F_GETFD) >= 0;
    return 0;
}

static bool has(const struct open_set *set, int fd)
{
    return (set->bits[fd / 8] & 1 << fd % 8) != 0;
}

static int count(const struct open_set *set)
{
    int n = 0;
    for (int fd = 0; fd < TRIED; fd++)
        n += has(set, fd);
    return n;
}

/* Raises the limit as far as the system allows. */
static rlim_t raise_limit(void)
{
    unsigned long long most = 0;
    struct rlimit limit;
    FILE *file = fopen("/proc/sys/fs/nr_open", "re");
    if (file != NULL) {
        if (fscanf(file, "%llu", &most) != 1) // NOLINT(cert-err34-c): the kernel wrote it
            most = 0;
        fclose(file);
    }
    limit.rlim_cur = limit.rlim_max = (rlim_t)most;
    if (most == 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

static int list_with_close_fds(int high, bool close_fds, struct open_set *set)
{
    static const int keep[] = {KEPT, KEPT};
    const struct query query = {high};
    struct forkcall_buf result = forkcall_buf_fixed(set, sizeof *set);
    const struct forkcall_options options = {
        .close_fds = close_fds, .keep_fds = keep, .keep_fds_count = 2, .timeout_ms = PLENTY_MS};
    const struct forkcall_report report = run_tested(child_lists, &query, sizeof query, &result, &options);
#ifdef TEST_PORTABLE
    if (close_fds && report.status == FORKCALL_NOT_STARTED && report.code == ENOTSUP)
        return NOT_HERE;
#endif
    CHECK(report.status == FORKCALL_OK);
    return 0;
}

/* True: the portable build may try every number, because the limit is low enough. */
static bool may_try_each(rlim_t limit)
{
#ifdef TEST_PORTABLE
    return limit <= 65536;
#else
    (void)limit;
    return false;
#endif
}

/* context: the errno with which close_range(2) is refused, or 0. */
static int raise_limit_and_close(void *context)
{
    const int error = *(int *)context;
    struct open_set all;
    struct open_set set;
    const rlim_t limit = raise_limit();
    const int high = limit - 10 < HIGH_MAX ? (int)(limit - 10) : HIGH_MAX;
    /* The rule kills a process that closes every number in a loop, descriptors or not. */
    const struct refusal rules[] = {
        {SYS_close, REFUSE_KILL, 0, REFUSE_IF_BETWEEN, TRIED, (uint32_t)high - 1},
        {436, error, error == 0 ? 5 : -1, REFUSE_IF_BETWEEN, 1, 0}, /* number of close_range(2) */
    };
    CHECK(dup2(STDERR_FILENO, KEPT) == KEPT && dup2(STDERR_FILENO, CLOSED) == CLOSED);
    CHECK(dup2(STDERR_FILENO, high) == high);
    if (high > TRIED && !may_try_each(limit) && !refuse(rules, error == 0 ? 1 : 2))
        return NOT_HERE;
    CHECK(list_with_close_fds(high, false, &all) == 0);
    CHECK(has(&all, KEPT) && has(&all, CLOSED) == method_shares_memory() && all.high == method_shares_memory());
    const int r = list_with_close_fds(high, true, &set);
    if (r == NOT_HERE)
        return NOT_HERE;
    CHECK(r == 0);
    for (int fd = 0; fd < 3; fd++)
        CHECK(has(&set, fd) == has(&all, fd));
    CHECK(has(&set, KEPT) && !has(&set, CLOSED) && !set.high);
    /* The other descriptors are at most the reply, the go and the memory of the result; for a
     * child of a server also what shows the server's end. */
    CHECK(count(&set) <= 3 + 1 + (tested_method() == FORKCALL_SERVER ? 4 : 3));
    return 0;
}

static void close_fds_with_a_huge_RLIMIT_NOFILE(void **state)
{
    int error = 0;
    (void)state;
    const int r = host_run(raise_limit_and_close, &error);
    if (r == NOT_HERE)
        SKIP("seccomp filters cannot be set, or the portable build refuses a high limit");
    assert_int_equal(r, 0);
}

static void close_fds_with_a_huge_RLIMIT_NOFILE_without_close_range(void **state)
{
    int error = ENOSYS;
    (void)state;
    const int r = host_run(raise_limit_and_close, &error);
    if (r == NOT_HERE)
        SKIP("seccomp filters cannot be set, or the portable build refuses a high limit");
    assert_int_equal(r, 0);
}

static int raise_limit_and_call(void *unused)
{
    const struct surroundings around = {.async = false};
    (void)unused;
    raise_limit();
    return check_outcomes_both_ways(around);
}

static void every_outcome_with_a_huge_RLIMIT_NOFILE(void **state)
{
    (void)state;
    assert_int_equal(host_run(raise_limit_and_call, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_with_0_1_2_closed_in_every_combination),
        cmocka_unit_test(host_with_0_1_2_close_on_exec),
        cmocka_unit_test(channel_of_a_live_call_is_never_0_1_2),
        cmocka_unit_test(child_gone_before_it_was_let_go_with_SIGPIPE_default),
        cmocka_unit_test(close_fds_with_a_huge_RLIMIT_NOFILE),
        cmocka_unit_test(close_fds_with_a_huge_RLIMIT_NOFILE_without_close_range),
        cmocka_unit_test(every_outcome_with_a_huge_RLIMIT_NOFILE),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
