/* How many descriptors it takes, and hosts that have few left. */
#include "outcomes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PLENTY_MS 60000

/* ---- How many it takes --------------------------------------------------------------------------------------- */

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

/* While the call runs: 4, one for each captured stream, and for an asynchronous one 2 more. */
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
        const int most = 4 + (int)(kind >> 1 & 1) + (int)(kind >> 2 & 1) + (around.async ? 2 : 0);
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

/* ---- Few descriptors left ------------------------------------------------------------------------------------ */

/* So many descriptors can be opened, and not one more. */
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

/* Exit status 0: it could not be started; 50: it went well. */
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
        /* A copy may find no descriptor even for the libraries that it is linked with, or a server for what it is sent. */
        CHECK(report.code == EMFILE ||
              (!method_shares_memory() && (report.code == ENOEXEC || report.code == ECONNRESET)));
        CHECK(!method_shares_memory() || strstr(report.message, "pipe") != NULL ||
              strstr(report.message, "descriptor") != NULL);
        return 0;
    }
    CHECK(report.status == FORKCALL_OK);
    CHECK(is_large_answer(&result));
    forkcall_buf_free(&result);
    return 50;
}

/* A server has its spares', too. */
#define LEFT_MOST 40

/* From none left to enough, one by one: not started and told so, or well. */
static void RLIMIT_NOFILE_leaves_few_descriptors(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct scarcity scarcity = {.async = (kind & 1) != 0, .capture = (kind & 2) != 0};
        bool started = false;
        for (scarcity.left = 0; scarcity.left <= LEFT_MOST; scarcity.left++) {
            const int r = host_run(call_in_scarcity, &scarcity);
            if (r != 0 && r != 50)
                print_error("%d left, kind %d: %d\n", scarcity.left, kind, r);
            assert_true(r == 0 || r == 50);
            assert_true(!started || r == 50); /* with more it cannot be worse */
            started = r == 50;
            assert_true(scarcity.left > 0 || !started);
        }
        assert_true(started);
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_of_a_call_that_runs),
        cmocka_unit_test(descriptors_of_a_host_with_an_idle_server),
        cmocka_unit_test(RLIMIT_NOFILE_leaves_few_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
