/* Tests starting and stopping the server, and many calls. */
#include "servers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Starting -------------------------------------------------------------------------------- */

static int prepare_nothing(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 0;
}

static int try_bad_options(void *context)
{
    const struct forkcall_server_options bad[] = {
        {.spares = 201},
        {.spares = UINT32_MAX},
        {.timeout_ms = -1},
        {.prepare_args = "a"},
        {.prepare = prepare_nothing, .prepare_args_size = 1},
        {.prepare = prepare_nothing, .prepare_args = "a", .prepare_args_size = 32 * 1024 + 1},
        {.prepare = prepare_nothing, .prepare_args = "a", .prepare_args_size = SIZE_MAX},
        {.reserved = {0, 0, 0, 0, 0, 1}},
        {.reserved_small = {0, 0, 1}},
    };
    (void)context;
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
            /* First without a server, then with one. */
            CHECK(forkcall_server_start(&bad[k]) == -EINVAL);
        if (i == 0)
            CHECK(server_pid() > 0);
    }
    return 0;
}

static void options_that_are_wrong(void **state)
{
    (void)state;
    assert_int_equal(host_run(try_bad_options, NULL), 0);
}

static int start_twice(void *context)
{
    const struct forkcall_server_options options = {.spares = 1, .timeout_ms = PLENTY_MS};
    (void)context;
    CHECK(forkcall_server_start(&options) == 0);
    const pid_t server = server_pid();
    CHECK(forkcall_server_start(&options) == -EALREADY);
    CHECK(forkcall_server_start(NULL) == -EALREADY);
    CHECK(server_pid() == server);
    CHECK(spares_are(server, 1)); /* the server that runs keeps its options */
    CHECK(forkcall_server_stop() == 0);
    CHECK(forkcall_server_start(NULL) == 0);
    const pid_t next = server_pid();
    CHECK(next > 0 && next != server);
    CHECK(forkcall_server_start(NULL) == -EALREADY);
    return 0;
}

static void server_that_is_started_twice(void **state)
{
    (void)state;
    assert_int_equal(host_run(start_twice, NULL), 0);
}

static int start_many_spares(void *context)
{
    static const uint32_t counts[] = {1, 5, 40, 200};
    (void)context;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const struct forkcall_server_options options = {.spares = counts[i]};
        CHECK(forkcall_server_start(&options) == 0);
        const pid_t server = server_pid();
        CHECK(server > 0 && spares_are(server, (int)counts[i]));
        CHECK(forkcall_server_stop() == 0);
    }
    return 0;
}

static void server_keeps_as_many_spares_as_it_is_to(void **state)
{
    (void)state;
    assert_int_equal(host_run(start_many_spares, NULL), 0);
}

#define THREADS 32

struct seen {
    pthread_barrier_t *barrier;
    pthread_t thread;
    pid_t server;
    int started; /* what forkcall_server_start() returned; 1: it was not called */
};

static void *call_at_once(void *context)
{
    struct seen *seen = context;
    pthread_barrier_wait(seen->barrier);
    if (seen->started == 0)
        seen->started = forkcall_server_start(NULL);
    struct who who;
    seen->server = ask(FORKCALL_SERVER, child_tells_who, NULL, 0, &who, sizeof who) ? who.parent : -1;
    return NULL;
}

static int call_from_many_threads(void *context)
{
    const int starters = *(const int *)context;
    static struct seen seen[THREADS];
    pthread_barrier_t barrier;
    int started = 0;
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    for (int i = 0; i < THREADS; i++) {
        seen[i] = (struct seen){.barrier = &barrier, .started = i < starters ? 0 : 1};
        CHECK(pthread_create(&seen[i].thread, NULL, call_at_once, &seen[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(seen[i].thread, NULL) == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(seen[i].server > 0 && seen[i].server == seen[0].server);
        CHECK(i >= starters || seen[i].started == 0 || seen[i].started == -EALREADY);
        started += seen[i].started == 0;
    }
    CHECK(started <= 1 && children_of(getpid(), NULL, 0) == 0);
    return 0;
}

static void threads_at_a_cold_server_start_one(void **state)
{
    int starters = 0;
    (void)state;
    assert_int_equal(host_run(call_from_many_threads, &starters), 0);
    starters = 8;
    assert_int_equal(host_run(call_from_many_threads, &starters), 0);
}

/* ---- Stopping -------------------------------------------------------------------------------- */

/* args: two kept descriptors. Sends a byte once it runs, and waits for one. */
static int child_waits(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *fds = args;
    char byte;
    if (write(fds[0], "r", 1) != 1 || read(fds[1], &byte, 1) != 1)
        return errno;
    return child_tells_who(args, args_size, result);
}

static int stop_in_a_call(void *context)
{
    int ready[2], go[2];
    char byte;
    struct forkcall_call *call = NULL;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)context;
    CHECK(pipe(ready) == 0 && pipe(go) == 0);
    const int fds[] = {ready[1], go[0]};
    const struct forkcall_options options = {
        .method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS, .keep_fds = fds, .keep_fds_count = 2};
    CHECK(forkcall_server_stop() == 0); /* there is no server */
    int server = server_pid();
    CHECK(server > 0);
    CHECK(forkcall_start(&call, child_waits, fds, sizeof fds, &result, &options) == 0);
    CHECK(read(ready[0], &byte, 1) == 1);
    CHECK(forkcall_server_stop() == 0);
    CHECK(process_lives(server)); /* the server lives while the call runs */
    const pid_t next = server_pid();
    CHECK(next > 0 && next != server);
    CHECK(write(go[1], "g", 1) == 1);
    const struct forkcall_report report = forkcall_finish(call);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES));
    CHECK(((struct who *)result.data)->parent == server);
    CHECK(wait_until(process_is_gone, &server));
    CHECK(server_pid() == next);
    forkcall_buf_free(&result);
    return 0;
}

static void server_stopped_with_a_call_in_flight(void **state)
{
    (void)state;
    assert_int_equal(host_run(stop_in_a_call, NULL), 0);
}

static int stop_idle(void *context)
{
    (void)context;
    struct who who;
    /* Opens what the library opens only once. */
    CHECK(ask(FORKCALL_SERVER, child_returns_0, NULL, 0, NULL, 0));
    CHECK(forkcall_server_stop() == 0);
    const struct traces before = traces_now();
    CHECK(ask(FORKCALL_SERVER, child_tells_who, NULL, 0, &who, sizeof who));
    pid_t family[17] = {who.parent};
    const int count = children_of(who.parent, family + 1, 16);
    CHECK(count >= 0 && count <= 16);
    CHECK(forkcall_server_stop() == 0);
    CHECK(all_gone(family, 1 + count));
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors && after.children == before.children);
    CHECK(forkcall_server_stop() == 0);
    return 0;
}

static void server_stopped_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(host_run(stop_idle, NULL), 0);
}

static int child_tells_variable(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const char *value = getenv("FORKCALL_TEST_VARIABLE");
    (void)args;
    (void)args_size;
    return value == NULL ? 0 : forkcall_buf_append(result, value, strlen(value));
}

static int change_environment(void *context)
{
    char text[64];
    (void)context;
    CHECK(setenv("FORKCALL_TEST_VARIABLE", "before", 1) == 0);
    CHECK(ask_text(FORKCALL_SERVER, child_tells_variable, NULL, 0, text, sizeof text));
    CHECK(strcmp(text, "before") == 0);
    CHECK(setenv("FORKCALL_TEST_VARIABLE", "after", 1) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(ask_text(FORKCALL_SERVER, child_tells_variable, NULL, 0, text, sizeof text));
        CHECK(strcmp(text, "before") == 0);
    }
    CHECK(ask_text(FORKCALL_SPAWN, child_tells_variable, NULL, 0, text, sizeof text));
    CHECK(strcmp(text, "after") == 0);
    CHECK(forkcall_server_stop() == 0);
    CHECK(ask_text(FORKCALL_SERVER, child_tells_variable, NULL, 0, text, sizeof text));
    CHECK(strcmp(text, "after") == 0);
    CHECK(unsetenv("FORKCALL_TEST_VARIABLE") == 0 && forkcall_server_stop() == 0);
    CHECK(ask_text(FORKCALL_SERVER, child_tells_variable, NULL, 0, text, sizeof text));
    CHECK(text[0] == '\0');
    return 0;
}

static void environment_is_that_of_the_servers_start(void **state)
{
    (void)state;
    assert_int_equal(host_run(change_environment, NULL), 0);
}

static int child_tells_the_variable(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const char *value = getenv(args);
    (void)args_size;
    return value == NULL ? 0 : forkcall_buf_append(result, value, strlen(value));
}

static bool child_has(const char *name, const char *value)
{
    char text[64];
    return ask_text(FORKCALL_SPAWN, child_tells_the_variable, name, strlen(name) + 1, text, sizeof text) &&
           strcmp(text, value) == 0;
}

/* The library gives the new process a variable FORKCALL_COPY. An older one, which the host has
 * inherited, is replaced by it. */
static int have_variables_of_like_names(void *context)
{
    char text[64];
    const char *const own = "FORKCALL_COPY";
    (void)context;
    CHECK(setenv("FORKCALL_COPY_DIRECTORY", "longer", 1) == 0 && setenv("FORKCALL_COP", "shorter", 1) == 0);
    CHECK(setenv(own, "1-0", 1) == 0 && setenv("FORKCALL_COPYING", "", 1) == 0);
    CHECK(setenv("ZFORKCALL_COPY", "last", 1) == 0);
    CHECK(child_has("FORKCALL_COPY_DIRECTORY", "longer") && child_has("FORKCALL_COP", "shorter"));
    CHECK(child_has("ZFORKCALL_COPY", "last"));
    CHECK(ask_text(FORKCALL_SPAWN, child_tells_the_variable, own, strlen(own) + 1, text, sizeof text));
    CHECK(strcmp(text, "1-0") != 0);
    const char *stays = getenv(own);
    CHECK(stays != NULL && strcmp(stays, "1-0") == 0);
    return 0;
}

static void variables_with_like_names_are_the_users(void **state)
{
    (void)state;
    assert_int_equal(host_run(have_variables_of_like_names, NULL), 0);
}

static int have_no_environment(void *context)
{
    (void)context;
    environ = NULL; /* as clearenv(3) does */
    CHECK(child_has("PATH", ""));
    return 0;
}

static void host_may_have_no_environment(void **state)
{
    (void)state;
    assert_int_equal(host_run(have_no_environment, NULL), 0);
}

/* ---- Many calls ------------------------------------------------------------------------------ */

#define AT_ONCE 64

static int start_many_at_once(void *context)
{
    struct forkcall_call *calls[AT_ONCE];
    struct forkcall_buf results[AT_ONCE];
    pid_t pids[AT_ONCE];
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    (void)context;
    const pid_t server = server_pid();
    CHECK(server > 0 && spares_are(server, 2));
    for (int i = 0; i < AT_ONCE; i++) {
        results[i] = (struct forkcall_buf)FORKCALL_BUF_INIT;
        CHECK(forkcall_start(&calls[i], child_tells_who, NULL, 0, &results[i], &options) == 0);
    }
    for (int i = AT_ONCE; i-- > 0;) {
        const struct forkcall_report report = forkcall_finish(calls[i]);
        CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES) && results[i].size == sizeof(struct who));
        const struct who *who = results[i].data;
        CHECK(who->parent == server && who->pid == report.pid && who->group == who->pid);
        pids[i] = who->pid;
        for (int k = i + 1; k < AT_ONCE; k++)
            CHECK(pids[k] != pids[i]); /* each call has a process of its own */
        forkcall_buf_free(&results[i]);
    }
    CHECK(spares_are(server, 2));
    return 0;
}

static void more_calls_at_once_than_spares(void **state)
{
    (void)state;
    assert_int_equal(host_run(start_many_at_once, NULL), 0);
}

static int count_descriptors_of(pid_t pid)
{
    char path[64];
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        char link[8];
        count += readlink(path, link, sizeof link) >= 0;
    }
    return count;
}

/* Counts until the number is steady: a server that makes a spare has the spare's pipe ends open
 * for a moment. */
static int steady_descriptors_of(pid_t pid)
{
    int count = count_descriptors_of(pid);
    for (int looks = 0, all = 0; looks < 10 && all < DEADLINE_S * 500; looks++, all++) {
        usleep(2000);
        const int now = count_descriptors_of(pid);
        if (now != count)
            looks = 0;
        count = now;
    }
    return count;
}

/* Makes some calls of every outcome. */
static int make_many_calls(void *context)
{
    static forkcall_fn *const functions[] = {child_returns_0, child_answers_42, child_fails_7, child_kills_itself};
    static const enum forkcall_status statuses[] = {FORKCALL_OK, FORKCALL_OK, FORKCALL_FAILED, FORKCALL_SIGNALED};
    const int calls = *(const int *)context;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    const pid_t server = server_pid();
    CHECK(server > 0 && spares_are(server, 2));
    const struct traces before = traces_now();
    const int descriptors = steady_descriptors_of(server);
    for (int i = 0; i < calls; i++) {
        const int k = i % 100 < 97 ? i % 2 : i % 100 == 97 ? 2 : 3;
        const struct forkcall_report report = forkcall_run(functions[k], NULL, 0, &result, &options);
        CHECK(ended(&report, statuses[k], FORKCALL_RAN_YES));
    }
    CHECK(server_pid() == server);
    CHECK(spares_are(server, 2));
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors && after.children == before.children);
    CHECK(steady_descriptors_of(server) == descriptors);
    forkcall_buf_free(&result);
    return 0;
}

static void two_thousand_calls_leave_nothing(void **state)
{
    int calls = under_sanitizer() || under_valgrind() || under_emulator() || time_factor() > 1 ? 100 : 2000;
    (void)state;
    assert_int_equal(host_run(make_many_calls, &calls), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_that_are_wrong),
        cmocka_unit_test(server_that_is_started_twice),
        cmocka_unit_test(server_keeps_as_many_spares_as_it_is_to),
        cmocka_unit_test(threads_at_a_cold_server_start_one),
        cmocka_unit_test(server_stopped_with_a_call_in_flight),
        cmocka_unit_test(server_stopped_leaves_nothing),
        cmocka_unit_test(environment_is_that_of_the_servers_start),
        cmocka_unit_test(variables_with_like_names_are_the_users),
        cmocka_unit_test(host_may_have_no_environment),
        cmocka_unit_test(more_calls_at_once_than_spares),
        cmocka_unit_test(two_thousand_calls_leave_nothing),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
