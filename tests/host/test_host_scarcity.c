/* Tests how many descriptors a call uses, and hosts that have few left. */
#include "outcomes.h"
#include "refuse_syscalls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- How many a call uses -------------------------------------------------------------------- */

static int descriptors_now(void)
{
    return traces_now().descriptors;
}

static int note_output(void *user, int fd, const char *data, size_t size)
{
    (void)fd;
    (void)data;
    (void)size;
    if (*(int *)user == 0)
        *(int *)user = descriptors_now();
    return 0;
}

static int note_progress(void *user, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    return note_output(user, 0, note, 0);
}

static int child_reports_and_answers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    forkcall_progress(1, 2, NULL);
    if (write(1, "out", 3) != 3 || write(2, "err", 3) != 3)
        return 1;
    return child_answers_42(args, args_size, result);
}

/* A running call uses 4 descriptors, one more for each captured stream, and 3 more if it is
 * asynchronous (outcomes.c asks for its descriptor). */
static int count_in_a_call(void *unused)
{
    (void)unused;
    CHECK(warm_up());
    const int idle = descriptors_now();
    for (unsigned kind = 0; kind < 8; kind++) {
        int running = 0;
        int answer = 0;
        struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
        struct surroundings around = {.async = (kind & 1) != 0};
        struct forkcall_options options = {.timeout_ms = PLENTY_MS, .progress = note_progress, .user = &running};
        options.standard_output = (kind & 2) != 0 ? FORKCALL_STREAM_CAPTURE : FORKCALL_STREAM_NULL;
        options.standard_error = (kind & 4) != 0 ? FORKCALL_STREAM_CAPTURE : FORKCALL_STREAM_NULL;
        options.output = (kind & 6) != 0 ? note_output : NULL;
        const struct forkcall_report report = run_in(&around, child_reports_and_answers, NULL, 0, &result, &options);
        CHECK(report.status == FORKCALL_OK && answer == 42);
        const int most = 4 + (int)(kind >> 1 & 1) + (int)(kind >> 2 & 1) + (around.async ? 3 : 0);
        if (running == 0 || running - idle > most)
            fprintf(stderr, "kind %u: %d descriptors\n", kind, running - idle);
        CHECK(running > 0 && running - idle <= most);
        CHECK(descriptors_now() == idle);
    }
    return 0;
}

static void descriptors_of_a_call_that_runs(void **state)
{
    (void)state;
    assert_int_equal(host_run(count_in_a_call, NULL), 0);
}

static int count_between_calls(void *unused)
{
    (void)unused;
    const int before = descriptors_now();
    CHECK(warm_up());
    CHECK(descriptors_now() - before <= (tested_method() == FORKCALL_SERVER ? 4 : 0));
    CHECK(forkcall_server_stop() == 0);
    CHECK(descriptors_now() == before);
    return 0;
}

static void descriptors_of_a_host_with_an_idle_server(void **state)
{
    (void)state;
    assert_int_equal(host_run(count_between_calls, NULL), 0);
}

/* ---- Few descriptors left -------------------------------------------------------------------- */

/* Lowers the limit so that exactly this number of descriptors can be opened. */
static bool leave_descriptors(int left)
{
    struct rlimit limit;
    int highest = -1;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    for (int i = 0; i < left; i++)
        highest = dup(STDERR_FILENO);
    if (left == 0)
        highest = dup(STDERR_FILENO) - 1;
    limit.rlim_cur = (rlim_t)highest + 1;
    for (int fd = 3; fd <= highest + 1; fd++)
        close(fd);
    for (int fd = 3; fd <= highest - left; fd++)
        if (dup2(STDERR_FILENO, fd) != fd)
            return false;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static int count_free(void)
{
    int taken[64];
    int n = 0;
    while (n < 64 && (taken[n] = dup(STDERR_FILENO)) >= 0)
        n++;
    for (int i = 0; i < n; i++)
        close(taken[i]);
    return n;
}

struct scarcity {
    int left;
    bool async, capture;
};

static int ignore_output(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

/* Exit status 0: the call was not started; 50: all went well. */
static int call_in_scarcity(void *context)
{
    const struct scarcity *scarcity = context;
    const struct surroundings around = {.async = scarcity->async};
    struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    if (scarcity->capture) {
        options.standard_output = options.standard_error = FORKCALL_STREAM_CAPTURE;
        options.output = ignore_output;
    }
    CHECK(leave_descriptors(scarcity->left));
    CHECK(count_free() == scarcity->left);
    const struct forkcall_report report = run_in(&around, child_answers_large, NULL, 0, &result, &options);
    forkcall_server_stop();
    CHECK(count_free() == scarcity->left);
    if (report.status == FORKCALL_NOT_STARTED) {
        CHECK(report.ran == FORKCALL_RAN_NO && report.message[0] != '\0');
        /* A re-executed program may find no descriptor even for its shared libraries, or a server
         * for what its host sends. */
        CHECK(report.code == EMFILE ||
              (!method_shares_memory() && (report.code == ENOEXEC || report.code == ECONNRESET)));
        CHECK(!method_shares_memory() || strstr(report.message, "pipe") != NULL ||
              strstr(report.message, "descriptor") != NULL);
        return 0;
    }
    CHECK(report.status == FORKCALL_OK);
    CHECK(is_large_answer(&result));
    forkcall_buf_free(&result);
    /* The outcome of a child that is killed must not be lost either. */
    const struct forkcall_report killed = run_in(&around, child_kills_itself, NULL, 0, NULL, &options);
    /* A server may need one descriptor more than it has: that depends on how many spares it has
     * made by then. */
    if (tested_method() == FORKCALL_SERVER && killed.status == FORKCALL_NOT_STARTED && killed.code == EMFILE)
        return 50;
    if (killed.status != FORKCALL_SIGNALED)
        fprintf(stderr, "%s: %s\n", forkcall_status_name(killed.status), killed.message);
    CHECK(killed.status == FORKCALL_SIGNALED && killed.code == SIGKILL);
    return 50;
}

/* More are needed by a server, which also has the descriptors of its spares. */
#define LEFT_MOST 40

/* Every number of descriptors from none to enough: the call is not started and says so, or goes
 * well. */
static void RLIMIT_NOFILE_leaves_few_descriptors(void **state)
{
    (void)state;
    /* unix(7), ETOOMANYREFS: the limit also applies to the descriptors that all processes of a
     * user have in transit. */
    if (!method_shares_memory() && geteuid() != 0)
        SKIP("what other tests pass to their children counts for this user's limit");
    for (int kind = 0; kind < 4; kind++) {
        struct scarcity scarcity = {.async = (kind & 1) != 0, .capture = (kind & 2) != 0};
        bool started = false;
        for (scarcity.left = 0; scarcity.left <= LEFT_MOST; scarcity.left++) {
            const int r = host_run(call_in_scarcity, &scarcity);
            if (r != 0 && r != 50)
                print_error("%d left, kind %d: %d\n", scarcity.left, kind, r);
            assert_true(r == 0 || r == 50);
            /* More descriptors must not make the outcome worse, except by SERVER, where the server
             * does not always have enough. */
            assert_true(!started || r == 50 || (tested_method() == FORKCALL_SERVER && scarcity.left < LEFT_MOST));
            started = r == 50;
            assert_true(scarcity.left > 0 || !started);
        }
        assert_true(started);
    }
}

/* ---- None left while a server runs ----------------------------------------------------------- */

static int child_tells_its_parent(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const pid_t parent = getppid();
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &parent, sizeof parent);
}

/* Counts children that are dead and not reaped, such as those of a server. */
static int count_zombies(pid_t parent)
{
    char path[64];
    int pid;
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fscanf(file, "%d", &pid) == 1) // NOLINT(cert-err34-c): the kernel wrote it
        n += process_state(pid) == 'Z';
    fclose(file);
    return n;
}

static bool has_no_zombies(void *parent)
{
    return count_zombies(*(pid_t *)parent) == 0;
}

struct shortage {
    int left;
    bool old_kernel; /* the kernel does not report how the child of another process ended */
};

static bool be_old(void)
{
    const struct refusal rule = {SYS_ioctl, ENOTTY, 1, REFUSE_IF_MASKED_IS, 0xff00, 0xff00U};
    return refuse(&rule, 1);
}

/* Makes calls with this number of descriptors left, then with plenty: host and server release what
 * got lost on the way. */
static int run_out_with_a_server(void *context)
{
    const struct shortage *shortage = context;
    const int left = shortage->left;
    /* The library compares the server's filters with the host's through /proc. If it cannot read
     * them for lack of a descriptor, it retires the server. */
    const bool filtered = shortage->old_kernel;
    int taken[512] = {0};
    int count = 0;
    pid_t server = 0;
    pid_t now = 0;
    const struct rlimit limit = {300, 300};
    struct forkcall_buf result = forkcall_buf_fixed(&server, sizeof server);
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    if (shortage->old_kernel && !be_old())
        return NOT_HERE;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(run_tested(child_tells_its_parent, NULL, 0, &result, &options).status == FORKCALL_OK);
    while (count < 512 && (taken[count] = dup(STDERR_FILENO)) >= 0)
        count++;
    CHECK(count < 512);
    for (int i = 0; i < left; i++)
        close(taken[--count]);
    for (int i = 0; i < 10; i++) {
        const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &options);
        CHECK(report.status == FORKCALL_OK || (report.status == FORKCALL_NOT_STARTED &&
                                               (report.code == EMFILE || (filtered && report.code == EAGAIN))));
        CHECK(report.status == FORKCALL_OK || (report.ran == FORKCALL_RAN_NO && report.pid == 0));
        const struct forkcall_report killed = run_tested(child_kills_itself, NULL, 0, NULL, &options);
        CHECK(killed.status == FORKCALL_NOT_STARTED || (killed.status == FORKCALL_SIGNALED && killed.code == SIGKILL));
    }
    CHECK(count_free() == left || filtered);
    while (count > 0)
        close(taken[--count]);
    result = forkcall_buf_fixed(&now, sizeof now);
    CHECK(run_tested(child_tells_its_parent, NULL, 0, &result, &options).status == FORKCALL_OK);
    CHECK(now == server || filtered); /* the same process serves: this one, or the server */
    CHECK(now == getpid() || wait_until(has_no_zombies, &now));
    return 0;
}

static void descriptors_run_out_once_a_server_is_there(void **state)
{
    (void)state;
    for (int i = 0; i < 32; i++) {
        struct shortage shortage = {.left = i / 2, .old_kernel = i % 2 != 0};
        const int r = host_run(run_out_with_a_server, &shortage);
        if (r != 0 && r != NOT_HERE)
            fail_msg("with %d descriptors left%s", shortage.left, shortage.old_kernel ? " and an old kernel" : "");
    }
}

/* ---- None allowed while the call runs -------------------------------------------------------- */

enum end { ANSWERS, ANSWERS_LARGE, FAILS, EXITS, DIES, CRASHES, HANGS, IS_CANCELED, ENDS };

static const enum forkcall_status status_of_end[ENDS] = {
    FORKCALL_OK,       FORKCALL_OK,       FORKCALL_FAILED,    FORKCALL_EXITED,
    FORKCALL_SIGNALED, FORKCALL_SIGNALED, FORKCALL_TIMED_OUT, FORKCALL_CANCELED,
};

struct limited {
    int end; /* a value of enum end */
    bool async;
    int go[2], cancel[2];
    struct rlimit before;
};

/* Waits until the host has lowered its limit, and ends as ordered. */
static int child_awaits_go_and_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static forkcall_fn *const functions[ENDS] = {
        child_answers_42,   child_answers_large, child_fails_7, child_ends_4,
        child_kills_itself, child_crashes,       child_hangs,   child_hangs,
    };
    const int *what = args;
    char byte;
    forkcall_progress(1, 2, NULL);
    if (read(what[0], &byte, 1) != 1)
        return 1;
    return functions[what[1]](args, args_size, result);
}

static bool allow_none(struct limited *limited)
{
    struct rlimit none;
    if (getrlimit(RLIMIT_NOFILE, &limited->before) < 0)
        return false;
    none = limited->before;
    none.rlim_cur = 0;
    return setrlimit(RLIMIT_NOFILE, &none) == 0 && write(limited->go[1], "g", 1) == 1;
}

static int allow_none_on_progress(void *user, double done, double total, const char *note)
{
    struct limited *limited = user;
    (void)done;
    (void)total;
    (void)note;
    if (limited->async) /* start_and_finish() has lowered the limit already */
        return 0;
    return allow_none(limited) && (limited->end != IS_CANCELED || write(limited->cancel[1], "c", 1) == 1) ? 0 : 1;
}

static struct forkcall_report start_and_finish(struct limited *limited, const int *what, struct forkcall_buf *result,
                                               const struct forkcall_options *options)
{
    struct forkcall_call *call = NULL;
    struct forkcall_report none = {.status = FORKCALL_NOT_STARTED};
    if (start_tested(&call, child_awaits_go_and_ends, what, 2 * sizeof *what, result, options) < 0 ||
        !allow_none(limited))
        return none;
    if (limited->end == IS_CANCELED)
        forkcall_cancel(call);
    forkcall_wait(call, -1);
    return forkcall_finish(call);
}

/* A timeout is only set if the function hangs: every other call must end by itself. */
static int call_without_descriptors(void *context)
{
    struct limited *limited = context;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    CHECK(warm_up());
    CHECK(pipe(limited->go) == 0 && pipe(limited->cancel) == 0);
    const struct traces before = traces_now();
    const struct forkcall_options options = {.keep_fds = limited->go,
                                             .keep_fds_count = 1,
                                             .progress = allow_none_on_progress,
                                             .user = limited,
                                             .cancel_fd_plus_one = limited->cancel[0] + 1,
                                             .timeout_ms = limited->end == HANGS ? 300 : 0};
    const int what[] = {limited->go[0], limited->end};
    const struct forkcall_report report =
        limited->async ? start_and_finish(limited, what, &result, &options)
                       : run_tested(child_awaits_go_and_ends, what, sizeof what, &result, &options);
    CHECK(setrlimit(RLIMIT_NOFILE, &limited->before) == 0);
    /* Asking a server how its child ended needs a descriptor. */
    const bool untold = tested_method() == FORKCALL_SERVER && (limited->end == EXITS || limited->end == DIES);
    if (report.status != status_of_end[limited->end] && !untold)
        fprintf(stderr, "%s: %s\n", forkcall_status_name(report.status), report.message);
    CHECK(report.status == status_of_end[limited->end] || (untold && report.status == FORKCALL_LOST));
    /* An asynchronous call may be canceled before the function runs. */
    CHECK(report.ran == FORKCALL_RAN_YES || (limited->end == IS_CANCELED && limited->async));
    CHECK(limited->end != ANSWERS_LARGE || is_large_answer(&result));
    forkcall_buf_free(&result);
    CHECK(warm_up());
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors && after.children == before.children);
    return 0;
}

/* Some ends wait for the server in vain for a second: by SERVER only some of them are tried. */
static bool is_tried(int end, bool async)
{
    return tested_method() != FORKCALL_SERVER || end <= FAILS || end == DIES || end == (async ? IS_CANCELED : HANGS);
}

static void no_descriptor_is_allowed_once_the_call_runs(void **state)
{
    (void)state;
    if (under_valgrind())
        SKIP("it needs descriptors itself");
    for (int end = 0; end < ENDS; end++) {
        for (int async = 0; async < 2; async++) {
            struct limited limited = {.end = end, .async = async != 0};
            const int r = is_tried(end, limited.async) ? host_run(call_without_descriptors, &limited) : 0;
            if (r != 0)
                fail_msg("end %d, %s: %d", end, async != 0 ? "async" : "sync", r);
        }
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_of_a_call_that_runs),
        cmocka_unit_test(descriptors_of_a_host_with_an_idle_server),
        cmocka_unit_test(RLIMIT_NOFILE_leaves_few_descriptors),
        cmocka_unit_test(descriptors_run_out_once_a_server_is_there),
        cmocka_unit_test(no_descriptor_is_allowed_once_the_call_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
