/* Tests hosts that fork and exec while calls run; calls in children, in children of calls, and
 * inside INLINE. */
#include "outcomes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIED_DESCRIPTORS 256

/* Waits for a byte, so that its call runs as long as the test needs. args: the pipe's end. */
static int child_waits_for_a_byte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char byte;
    if (read(*(const int *)args, &byte, 1) != 1)
        return 1;
    return child_answers_42(NULL, args_size, result);
}

struct live {
    int go[2];
    int answer;
    struct forkcall_buf result;
    struct forkcall_call *call;
    bool had[TRIED_DESCRIPTORS]; /* the descriptors that the host had before the call */
};

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* watch: what the child must hold, or NULL. */
static int begin(struct live *live, const struct watch *watch)
{
    memset(live, 0, sizeof *live);
    CHECK(pipe(live->go) == 0);
    const int keep[] = {live->go[0], watch != NULL ? watch->write_end : 2};
    const struct forkcall_options options = {.keep_fds = keep, .keep_fds_count = 2};
    for (int fd = 0; fd < TRIED_DESCRIPTORS; fd++)
        live->had[fd] = is_open(fd);
    live->result = forkcall_buf_fixed(&live->answer, sizeof live->answer);
    CHECK(start_tested(&live->call, child_waits_for_a_byte, &live->go[0], sizeof live->go[0], &live->result,
                       &options) == 0);
    return 0;
}

static int end_well(struct live *live)
{
    CHECK(write(live->go[1], "g", 1) == 1);
    const struct forkcall_report report = forkcall_finish(live->call);
    CHECK(report.status == FORKCALL_OK && live->answer == 42);
    return 0;
}

/* Runs body in a fork of this host. Returns its exit status. */
static int in_a_fork(int (*body)(struct live *), struct live *live)
{
    int status = 0;
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        const int r = body(live);
        fflush(NULL);
        _exit(r);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- Forks ----------------------------------------------------------------------------------- */

static int only_finish(struct live *live)
{
    for (int fd = 0; fd < TRIED_DESCRIPTORS; fd++)
        CHECK(is_open(fd) == live->had[fd]); /* the fork has none of the call's descriptors */
    CHECK(forkcall_wait(live->call, 0) == -EPERM);
    CHECK(forkcall_wait(live->call, -1) == -EPERM);
    CHECK(forkcall_fd(live->call) == -EPERM);
    CHECK(forkcall_cancel(live->call) == -EPERM);
    const struct forkcall_report report = forkcall_finish(live->call);
    CHECK(report.status == FORKCALL_LOST && report.ran == FORKCALL_RAN_UNKNOWN && report.message[0] != '\0');
    for (int fd = 0; fd < TRIED_DESCRIPTORS; fd++)
        CHECK(is_open(fd) == live->had[fd]);
    return 0;
}

static int fork_with_a_live_call(void *unused)
{
    struct live live;
    (void)unused;
    CHECK(begin(&live, NULL) == 0);
    CHECK(forkcall_fd(live.call) >= 0 || forkcall_fd(live.call) == -ENOTSUP);
    CHECK(in_a_fork(only_finish, &live) == 0);
    CHECK(in_a_fork(only_finish, &live) == 0);
    CHECK(forkcall_wait(live.call, 0) == 0); /* the call goes on */
    CHECK(end_well(&live) == 0);
    return 0;
}

static void host_that_forks_with_a_live_call(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_with_a_live_call, NULL), 0);
}

/* Descriptors of the fork that happen to have the numbers of the call's descriptors must outlast
 * forkcall_finish(). */
static int reuse_the_numbers(struct live *live)
{
    bool mine[TRIED_DESCRIPTORS] = {false};
    for (int i = 0; i < 16; i++) {
        const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        CHECK(fd >= 0 && fd < TRIED_DESCRIPTORS);
        mine[fd] = true;
    }
    forkcall_finish(live->call);
    for (int fd = 0; fd < TRIED_DESCRIPTORS; fd++)
        CHECK(!mine[fd] || is_open(fd));
    return 0;
}

static int fork_and_reuse(void *unused)
{
    struct live live;
    (void)unused;
    CHECK(begin(&live, NULL) == 0);
    CHECK(in_a_fork(reuse_the_numbers, &live) == 0);
    CHECK(end_well(&live) == 0);
    return 0;
}

static void child_of_the_host_that_finishes_closes_nothing_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_and_reuse, NULL), 0);
}

static int call_here(struct live *live)
{
    const struct surroundings around = {.async = false};
    (void)live;
    return check_outcomes_both_ways(around);
}

static int call_in_forks(void *unused)
{
    struct live live;
    (void)unused;
    CHECK(in_a_fork(call_here, NULL) == 0); /* before the library was ever used */
    CHECK(begin(&live, NULL) == 0);
    CHECK(in_a_fork(call_here, &live) == 0); /* while the parent has a call */
    CHECK(end_well(&live) == 0);
    CHECK(in_a_fork(call_here, NULL) == 0);
    return 0;
}

static void call_in_a_child_of_the_host(void **state)
{
    (void)state;
    assert_int_equal(host_run(call_in_forks, NULL), 0);
}

/* ---- Nested ---------------------------------------------------------------------------------- */

struct nested {
    int depth;
    enum forkcall_method methods[4];
};

/* Returns the sum of the depths. Each level makes a call of its own. */
static int child_nests(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct nested nested = *(const struct nested *)args;
    const struct forkcall_options options = {.method = nested.methods[nested.depth]};
    int sum = 0;
    (void)args_size;
    if (nested.depth > 0) {
        struct forkcall_buf deeper = forkcall_buf_fixed(&sum, sizeof sum);
        nested.depth--;
        const struct forkcall_report report = run_tested(child_nests, &nested, sizeof nested, &deeper, &options);
        if (report.status != FORKCALL_OK)
            return forkcall_fail(report.code, "%s: %s", forkcall_status_name(report.status), report.message);
        nested.depth++;
    }
    sum += nested.depth;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

static int nest(struct nested nested)
{
    int sum = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&sum, sizeof sum);
    const struct forkcall_options options = {.method = nested.methods[0]};
    assert_true(warm_up());
    const struct traces before = traces_now();
    const struct forkcall_report report = run_tested(child_nests, &nested, sizeof nested, &result, &options);
    if (report.status != FORKCALL_OK)
        print_error("%s\n", report.message);
    assert_no_traces(before, false);
    return report.status == FORKCALL_OK ? sum : -1;
}

static void nested_calls_three_deep(void **state)
{
    (void)state;
    const enum forkcall_method m = tested_method();
    assert_int_equal(nest((struct nested){3, {m, m, m, m}}), 6);
    assert_int_equal(nest((struct nested){3, {FORKCALL_FORK, m, FORKCALL_FORK, m}}), 6);
    assert_int_equal(nest((struct nested){3, {m, FORKCALL_FORK, FORKCALL_AUTO, m}}), 6);
}

static void call_inside_INLINE_and_INLINE_inside_a_child(void **state)
{
    const enum forkcall_method m = tested_method();
    (void)state;
    assert_int_equal(nest((struct nested){3, {FORKCALL_INLINE, m, FORKCALL_INLINE, m}}), 6);
    assert_int_equal(nest((struct nested){3, {m, FORKCALL_INLINE, FORKCALL_INLINE, FORKCALL_INLINE}}), 6);
    assert_int_equal(nest((struct nested){2, {FORKCALL_INLINE, m, m, m}}), 3);
}

/* The inner child ends in every way in turn; the outer child reports the outcome. */
static int child_sees_every_outcome(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct surroundings around = {.async = false};
    (void)args;
    (void)args_size;
    (void)result;
    if (!forkcall_in_child())
        return 2;
    return check_outcomes(&around);
}

static void every_outcome_inside_a_child(void **state)
{
    (void)state;
    const struct forkcall_options options = {.timeout_ms = 4 * DEADLINE_S * 1000};
    const struct forkcall_report report = run_tested(child_sees_every_outcome, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_OK);
}

/* ---- Exec ------------------------------------------------------------------------------------ */

/* Execs while a call runs. The number of descriptors shows whether the next program inherits one
 * that it must not. */
static int exec_with_a_live_call(void *context)
{
    struct watch *watch = context;
    struct live live;
    CHECK(begin(&live, watch) == 0);
    forkcall_fd(live.call);
    for (int fd = 0; fd < TRIED_DESCRIPTORS; fd++)
        CHECK(live.had[fd] || !is_open(fd) || (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    fcntl(watch->write_end, F_SETFD, FD_CLOEXEC);
    execl("/bin/sleep", "sleep", "60", (char *)NULL);
    return 1;
}

static void host_that_execs_with_a_live_call(void **state)
{
    int status;
    struct watch watch;
    (void)state;
    assert_true(watch_open(&watch));
    const pid_t host = fork();
    assert_true(host >= 0);
    if (host == 0)
        _exit(exec_with_a_live_call(&watch));
    /* The child dies although the host lives on as another program. */
    assert_true(watch_all_gone(&watch));
    assert_int_equal(waitpid(host, &status, WNOHANG), 0);
    kill(host, SIGKILL);
    assert_int_equal(waitpid(host, &status, 0), host);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_that_forks_with_a_live_call),
        cmocka_unit_test(child_of_the_host_that_finishes_closes_nothing_of_its_own),
        cmocka_unit_test(call_in_a_child_of_the_host),
        cmocka_unit_test(nested_calls_three_deep),
        cmocka_unit_test(call_inside_INLINE_and_INLINE_inside_a_child),
        cmocka_unit_test(every_outcome_inside_a_child),
        cmocka_unit_test(host_that_execs_with_a_live_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
