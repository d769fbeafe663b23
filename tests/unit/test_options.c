/* Tests options and arguments that are out of range or contradict each other: the call does not
 * start, names the field, and changes nothing. */
#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int never_called(void *user, double done, double total, const char *note)
{
    (void)user;
    (void)done;
    (void)total;
    (void)note;
    return 0;
}

static int output_dropped(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

/* A refused call, and the field that it must name. */
struct refusal {
    forkcall_fn *fn;
    const void *args;
    size_t args_size;
    struct forkcall_options options;
    const char *field; /* the message begins with it */
};

static void assert_refusal(const struct forkcall_report *report, const char *field)
{
    const size_t length = strlen(field);
    assert_status(*report, FORKCALL_NOT_STARTED);
    assert_int_equal(report->code, EINVAL);
    assert_int_equal(report->ran, FORKCALL_RAN_NO);
    assert_int_equal(report->wait_status, -1);
    assert_int_equal(report->pid, 0);
    if (strncmp(report->message, field, length) != 0 || report->message[length] != ':')
        fail_msg("\"%s\" does not begin with \"%s:\"", report->message, field);
}

static void assert_refused(const struct refusal *refusal)
{
    assert_true(warm_up());
    const struct traces before = traces_now();
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_buf details = FORKCALL_BUF_INIT;
    struct forkcall_options options = refusal->options;
    struct forkcall_call *call;
    assert_int_equal(forkcall_buf_append(&result, "result", 6), 0);
    assert_int_equal(forkcall_buf_append(&details, "details", 7), 0);
    options.details = options.details == NULL ? &details : options.details;
    for (int async = 0; async < 2; async++) {
        struct forkcall_report report;
        if (async) {
            assert_int_equal(start_tested(&call, refusal->fn, refusal->args, refusal->args_size, &result, &options), 0);
            assert_int_equal(forkcall_wait(call, 0), 1);
            report = forkcall_finish(call);
        } else {
            report = run_tested(refusal->fn, refusal->args, refusal->args_size, &result, &options);
        }
        assert_refusal(&report, refusal->field);
        assert_int_equal(result.size, 6);
        assert_memory_equal(result.data, "result", 6);
        assert_int_equal(details.size, 7);
        assert_memory_equal(details.data, "details", 7);
    }
    /* The same buffer still works in a call that is not refused. */
    const struct forkcall_report report = run_tested(child_answers_42, NULL, 0, &result, NULL);
    assert_status(report, FORKCALL_OK);
    forkcall_buf_free(&result);
    forkcall_buf_free(&details);
    assert_no_traces(before, false);
}

#define REFUSED(field_name, ...)                                                                                \
    do {                                                                                                        \
        const struct refusal refusal = {.fn = child_answers_42, .field = field_name, .options = {__VA_ARGS__}}; \
        assert_refused(&refusal);                                                                               \
    } while (0)

static void fields_out_of_range(void **state)
{
    (void)state;
    REFUSED("method", .method = (enum forkcall_method)5);
    REFUSED("method", .method = (enum forkcall_method)(-1));
    REFUSED("method", .method = (enum forkcall_method)INT32_MAX);
    REFUSED("timeout_ms", .timeout_ms = -1);
    REFUSED("timeout_ms", .timeout_ms = INT32_MIN);
    REFUSED("grace_ms", .grace_ms = -1);
    REFUSED("cancel_fd_plus_one", .cancel_fd_plus_one = -1);
    REFUSED("cancel_fd_plus_one", .cancel_fd_plus_one = INT32_MIN);
    REFUSED("cancel_fd_plus_one", .cancel_fd_plus_one = INT32_MAX);
    REFUSED("standard_input", .standard_input = (enum forkcall_stream)3);
    REFUSED("standard_input", .standard_input = (enum forkcall_stream)(-1));
    REFUSED("standard_output", .standard_output = (enum forkcall_stream)3);
    REFUSED("standard_error", .standard_error = (enum forkcall_stream)3);
    static int too_many[65537];
    REFUSED("keep_fds_count", .keep_fds_count = 65537, .keep_fds = too_many);
    REFUSED("keep_fds_count", .keep_fds_count = SIZE_MAX, .keep_fds = &(const int){0});
    for (size_t i = 0; i < sizeof((struct forkcall_options *)0)->reserved_small; i++) {
        struct refusal small = {.fn = child_answers_42, .field = "reserved_small"};
        small.options.reserved_small[i] = 1;
        assert_refused(&small);
    }
    for (size_t i = 0; i < 6; i++) {
        struct refusal refusal = {.fn = child_answers_42, .field = "reserved"};
        refusal.options.reserved[i] = (uint64_t)1 << 63;
        assert_refused(&refusal);
    }
}

static void fields_that_contradict_each_other(void **state)
{
    (void)state;
    REFUSED("standard_input", .standard_input = FORKCALL_STREAM_CAPTURE, .output = output_dropped);
    REFUSED("standard_output", .standard_output = FORKCALL_STREAM_CAPTURE);
    REFUSED("standard_output", .standard_output = FORKCALL_STREAM_JOIN, .output = output_dropped);
    REFUSED("standard_input", .standard_input = FORKCALL_STREAM_JOIN);
    REFUSED("standard_error", .standard_error = FORKCALL_STREAM_JOIN);
    REFUSED("standard_error", .standard_error = FORKCALL_STREAM_JOIN, .standard_output = FORKCALL_STREAM_NULL);
    REFUSED("standard_error", .standard_error = (enum forkcall_stream)4);
    REFUSED("output", .output = output_dropped);
    REFUSED("output", .output = output_dropped, .standard_output = FORKCALL_STREAM_NULL,
            .standard_error = FORKCALL_STREAM_NULL);
    REFUSED("keep_fds", .keep_fds_count = 1);
    /* Standard error can be captured only if output or details takes it. The options of the other
     * cases have details. */
    const struct forkcall_options bad = {.standard_error = FORKCALL_STREAM_CAPTURE};
    struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &bad);
    assert_refusal(&report, "standard_error");
}

static void descriptors_that_are_not_open(void **state)
{
    (void)state;
    const int closed = dup(0);
    assert_true(closed > 2);
    close(closed);
    const int first_bad[] = {-1, 0};
    const int last_bad[] = {0, closed};
    const int too_large[] = {INT32_MAX};
    REFUSED("cancel_fd_plus_one", .cancel_fd_plus_one = closed + 1);
    REFUSED("keep_fds", .close_fds = true, .keep_fds = first_bad, .keep_fds_count = 2);
    REFUSED("keep_fds", .close_fds = true, .keep_fds = last_bad, .keep_fds_count = 2);
    REFUSED("keep_fds", .close_fds = true, .keep_fds = too_large, .keep_fds_count = 1);
}

static void arguments_that_make_no_sense(void **state)
{
    (void)state;
    const char byte = 0;
    const struct refusal refusals[] = {
        {.fn = NULL, .field = "fn"},
        {.fn = NULL, .args = NULL, .args_size = 5, .field = "fn"},
        {.fn = child_echoes, .args = NULL, .args_size = 1, .field = "args"},
        {.fn = child_echoes, .args = &byte, .args_size = SIZE_MAX - 1, .field = "args_size"},
        {.fn = child_echoes, .args = &byte, .args_size = (size_t)PTRDIFF_MAX + 1, .field = "args_size"},
        {.fn = child_echoes,
         .args = &byte,
         .args_size = FORKCALL_BY_POINTER,
         .options = {.method = FORKCALL_SPAWN},
         .field = "args_size"},
        {.fn = child_echoes,
         .args = &byte,
         .args_size = FORKCALL_BY_POINTER,
         .options = {.method = FORKCALL_SERVER},
         .field = "args_size"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        assert_refused(&refusals[i]);
}

static void buffers_that_were_not_initialised(void **state)
{
    (void)state;
    struct forkcall_buf garbage;
    struct forkcall_buf missing = forkcall_buf_fixed(NULL, 8);
    struct forkcall_buf *const bad[] = {&garbage, &missing};
    memset(&garbage, 0xa5, sizeof garbage);
    for (int i = 0; i < 2; i++) {
        const struct forkcall_buf before = *bad[i];
        const struct forkcall_options options = {.details = bad[i]};
        struct forkcall_report report = run_tested(child_returns_0, NULL, 0, bad[i], NULL);
        assert_refusal(&report, "result");
        report = run_tested(child_returns_0, NULL, 0, NULL, &options);
        assert_refusal(&report, "details");
        assert_memory_equal(bad[i], &before, sizeof before);
    }
    struct forkcall_buf same = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.details = &same};
    const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, &same, &options);
    assert_refusal(&report, "details");
}

/* The reader sees the value that is wrong, and what would be right. */
static void messages_name_the_wrong_value(void **state)
{
    (void)state;
    static const int no_fd[] = {0, 987654};
    const struct {
        struct forkcall_options options;
        const char *message;
    } wrong[] = {
        {{.method = (enum forkcall_method)7}, "method: 7 is no enum forkcall_method"},
        {{.timeout_ms = -30}, "timeout_ms: -30 is negative (0: no deadline)"},
        {{.grace_ms = -1}, "grace_ms: -1 is negative"},
        {{.keep_fds = no_fd, .keep_fds_count = 2}, "keep_fds: 987654 is no open descriptor"},
        {{.keep_fds_count = 3}, "keep_fds: is NULL, but keep_fds_count is 3"},
        {{.cancel_fd_plus_one = 987655}, "cancel_fd_plus_one: is 987655, but 987654 is no open descriptor"},
        {{.standard_error = (enum forkcall_stream)9}, "standard_error: 9 is no enum forkcall_stream"},
        {{.standard_input = FORKCALL_STREAM_CAPTURE},
         "standard_input: 2 is neither FORKCALL_STREAM_INHERIT nor FORKCALL_STREAM_NULL"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &wrong[i].options);
        assert_string_equal(report.message, wrong[i].message);
    }
    const struct forkcall_options server = {.method = FORKCALL_SERVER};
    struct forkcall_report report = run_tested(child_returns_0, NULL, FORKCALL_BY_POINTER, NULL, &server);
    assert_string_equal(
        report.message,
        "args_size: FORKCALL_BY_POINTER needs the method FORKCALL_FORK, FORKCALL_INLINE or FORKCALL_AUTO");
    report = run_tested(child_returns_0, NULL, 5, NULL, NULL);
    assert_string_equal(report.message, "args: is NULL, but args_size is 5");
    const struct forkcall_map_options map = {.processes = 70000};
    report = forkcall_map(child_returns_0, NULL, 0, 1, NULL, NULL, &map);
    assert_string_equal(report.message, "processes: 70000 is more than 65536");
    struct forkcall_buf results[2] = {FORKCALL_BUF_INIT, FORKCALL_BUF_INIT};
    memset(&results[1], 0xa5, sizeof results[1]);
    report = forkcall_map(child_returns_0, NULL, 0, 2, results, NULL, NULL);
    assert_non_null(strstr(report.message, "results: element 1: was not initialised by FORKCALL_BUF_INIT"));
}

static void fn_that_is_NULL_in_the_short_call(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = run_in_forked_process(NULL, NULL, &result);
    assert_refusal(&report, "fn");
}

static void methods_that_need_forkcall_init(void **state)
{
    (void)state;
    static const enum forkcall_method methods[] = {FORKCALL_SERVER, FORKCALL_SPAWN};
    if (!method_shares_memory())
        SKIP("it was called");
    for (int i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = methods[i]};
        const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &options);
        assert_status(report, FORKCALL_NOT_STARTED);
        assert_int_equal(report.code, ENOTSUP);
        assert_int_equal(report.ran, FORKCALL_RAN_NO);
        assert_int_equal(report.method, methods[i]);
        assert_int_equal(strncmp(report.message, "method:", 7), 0);
    }
}

/* ---- What is allowed ------------------------------------------------------------------------- */

static void values_at_the_edge_of_their_range(void **state)
{
    (void)state;
    const int kept[] = {0, 1, 2, 0, 1, 2, 2, 0};
    static const int as_many_as_may_be[65536]; /* descriptor 0 many times */
    const struct forkcall_options options[] = {
        {.timeout_ms = INT32_MAX, .grace_ms = INT32_MAX},
        {.grace_ms = 5}, /* for a cancel */
        {.max_result = SIZE_MAX},
        {.max_result = PTRDIFF_MAX},
        {.keep_fds = kept, .keep_fds_count = 8, .close_fds = true},
        {.keep_fds = as_many_as_may_be, .keep_fds_count = 65536, .close_fds = true},
        {.keep_fds = kept, .keep_fds_count = 8}, /* no effect by FORK without close_fds */
        {.keep_fds = kept, .keep_fds_count = 0, .close_fds = true},
        {.progress = never_called},
        {.standard_input = FORKCALL_STREAM_NULL,
         .standard_output = FORKCALL_STREAM_NULL,
         .standard_error = FORKCALL_STREAM_NULL},
        {.allow_unsafe_fork = true, .allow_env = true, .close_fds = true, .share_group = true},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int answer = 0;
        struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
        const struct forkcall_report report = run_tested(child_answers_42, NULL, 0, &result, &options[i]);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(answer, 42);
        assert_string_equal(report.message, "");
        assert_int_equal(report.method, tested_method());
        assert_ptr_equal(report.fn, child_answers_42);
    }
}

/* ---- The environment ------------------------------------------------------------------------- */

static int child_sleeps(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    usleep(1000U * (useconds_t) * (const int *)args);
    return 0;
}

static struct forkcall_report call_with(const char *method, bool allow_env, enum forkcall_method wanted)
{
    const struct forkcall_options options = {.allow_env = allow_env, .method = wanted};
    assert_int_equal(setenv("FORKCALL_METHOD", method, 1), 0);
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
    unsetenv("FORKCALL_METHOD");
    return report;
}

static void timeouts_are_turned_off_by_the_environment(void **state)
{
    static const char *const bad[] = {"OFF", "0", "on", "1000", "off "};
    struct forkcall_options options = {.allow_env = true, .timeout_ms = short_timeout_ms()};
    const int nap_ms = 3 * options.timeout_ms;
    (void)state;
    assert_int_equal(setenv("FORKCALL_TIMEOUT", "off", 1), 0);
    struct forkcall_report report = run_tested(child_sleeps, &nap_ms, sizeof nap_ms, NULL, &options);
    assert_status(report, FORKCALL_OK);
    options.allow_env = false;
    report = run_tested(child_hangs, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_TIMED_OUT);
    options.allow_env = true;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(setenv("FORKCALL_TIMEOUT", bad[i], 1), 0);
        report = run_tested(child_returns_0, NULL, 0, NULL, &options);
        assert_refusal(&report, "FORKCALL_TIMEOUT");
    }
    assert_int_equal(setenv("FORKCALL_TIMEOUT", "", 1), 0);
    options.timeout_ms = 0;
    report = run_tested(child_returns_0, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_OK);
    unsetenv("FORKCALL_TIMEOUT");
}

/* What the program has not written must not be said to be its mistake. */
static void message_says_that_the_environment_has_chosen_the_method(void **state)
{
    (void)state;
    static const char words[] = "; the environment has FORKCALL_METHOD=server";
    struct forkcall_map_options map = {.call = {.method = FORKCALL_FORK, .allow_env = true}};
    int item = 0;
    assert_int_equal(setenv("FORKCALL_METHOD", "server", 1), 0);
    struct forkcall_report report = forkcall_run(child_returns_0, &item, FORKCALL_BY_POINTER, NULL, &map.call);
    assert_refusal(&report, "args_size");
    assert_non_null(strstr(report.message, words));
    report = forkcall_map(child_returns_0, &item, FORKCALL_BY_POINTER, 1, NULL, NULL, &map);
    assert_refusal(&report, "item_size");
    assert_non_null(strstr(report.message, words));
    if (method_shares_memory()) { /* else forkcall_init() was called */
        report = forkcall_run(child_returns_0, NULL, 0, NULL, &map.call);
        assert_status(report, FORKCALL_NOT_STARTED);
        assert_non_null(strstr(report.message, words));
    }
    map.call.method = FORKCALL_SERVER;
    map.call.allow_env = false;
    report = forkcall_run(child_returns_0, &item, FORKCALL_BY_POINTER, NULL, &map.call);
    assert_refusal(&report, "args_size");
    assert_null(strstr(report.message, "environment"));
    unsetenv("FORKCALL_METHOD");
}

static void *reads_until_end(void *fd)
{
    char byte;
    return read(*(int *)fd, &byte, 1) < 0 ? fd : NULL;
}

/* Beside another thread the environment has chosen a fork. */
static int threads_host(void *unused)
{
    int ends[2];
    pthread_t thread;
    (void)unused;
    CHECK(pipe(ends) == 0);
    CHECK(pthread_create(&thread, NULL, reads_until_end, &ends[0]) == 0);
    const struct forkcall_report report = call_with("fork", true, FORKCALL_AUTO);
    CHECK(report.status == FORKCALL_UNSAFE);
    CHECK(strstr(report.message, "; the environment has FORKCALL_METHOD=fork") != NULL);
    close(ends[1]);
    return pthread_join(thread, NULL);
}

static void refused_fork_is_told_to_be_the_environments(void **state)
{
    (void)state;
    assert_int_equal(host_run(threads_host, NULL), 0);
}

static void method_from_the_environment(void **state)
{
    (void)state;
    static const char *const bad[] = {"FORK", "fork ", "Server", "spawn1", "auto", "4", "nonsense"};
    assert_int_equal(call_with("inline", true, FORKCALL_AUTO).method, FORKCALL_INLINE);
    assert_int_equal(call_with("inline", true, FORKCALL_FORK).method, FORKCALL_INLINE);
    assert_int_equal(call_with("fork", true, FORKCALL_INLINE).method, FORKCALL_FORK);
    assert_int_equal(call_with("", true, FORKCALL_INLINE).method, FORKCALL_INLINE);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct forkcall_report report = call_with(bad[i], true, FORKCALL_AUTO);
        assert_refusal(&report, "FORKCALL_METHOD");
        assert_non_null(strstr(report.message, bad[i]));
        report = call_with(bad[i], false, FORKCALL_AUTO);
        assert_status(report, FORKCALL_OK);
    }
    const struct forkcall_report report = call_with("inline", false, FORKCALL_AUTO);
    if (method_shares_memory()) {
        assert_int_equal(report.method, FORKCALL_FORK);
        return;
    }
    /* The program has called forkcall_init() here. */
    assert_true(report.method == FORKCALL_SERVER || report.method == FORKCALL_SPAWN);
    assert_int_equal(call_with("server", true, FORKCALL_FORK).method, FORKCALL_SERVER);
    assert_int_equal(call_with("spawn", true, FORKCALL_FORK).method, FORKCALL_SPAWN);
    assert_int_equal(call_with("server", false, FORKCALL_FORK).method, FORKCALL_FORK);
}

struct debugging {
    bool allowed;
    const char *value;
    forkcall_fn *fn;
    const char *name;
};

/* True: the lines tell of each event, and explain what is not OK. */
static bool is_a_life(const char *text, const char *function, const struct forkcall_report *report)
{
    static const char *const events[] = {"start", "ready", "running", "result", "end"};
    char line[128];
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(line, sizeof line, "%s: %s after ", function, events[i]);
        const char *found = strstr(text, line);
        if (found == NULL && i == 3 && report->status == FORKCALL_SIGNALED)
            continue;
        if (found == NULL)
            return false;
        text = found;
    }
    (void)snprintf(line, sizeof line, ", pid %d): %s\n", (int)report->pid, forkcall_status_name(report->status));
    return strstr(text, line) != NULL && (report->status == FORKCALL_OK || strstr(text, report->message) != NULL);
}

/* Writes into a pipe what the call writes to stderr. */
static int debug_host(void *context)
{
    const struct debugging *d = context;
    const struct forkcall_options options = {.allow_env = d->allowed};
    char text[4096];
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(setenv("FORKCALL_DEBUG", d->value, 1) == 0);
    CHECK(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    const struct forkcall_report report = run_tested(d->fn, NULL, 0, NULL, &options);
    fflush(stderr);
    dup2(STDOUT_FILENO, STDERR_FILENO);
    close(ends[1]);
    forkcall_server_stop(); /* The server holds the host's streams open. */
    const ssize_t n = read(ends[0], text, sizeof text - 1);
    CHECK(n >= 0);
    text[n] = '\0';
    const bool told = d->allowed && strcmp(d->value, "1") == 0;
    CHECK((n > 0) == told);
    CHECK(!told || is_a_life(text, d->name, &report));
    return 0;
}

static void debugging_from_the_environment(void **state)
{
    (void)state;
    const struct debugging debugging[] = {
        {true, "1", child_fails_7, "child_fails_7"},
        {true, "1", child_kills_itself, "child_kills_itself"},
        {true, "1", child_returns_0, "child_returns_0"},
        {false, "1", child_fails_7, ""},
        {true, "0", child_fails_7, ""},
        {true, "", child_fails_7, ""},
    };
    for (size_t i = 0; i < sizeof debugging / sizeof *debugging; i++) {
        struct debugging d = debugging[i];
        assert_int_equal(host_run(debug_host, &d), 0);
    }
}

int main(void)
{
    /* By FORK this program does not call forkcall_init(), like a program that does not know of
     * it. */
    if (!method_shares_memory())
        forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_out_of_range),
        cmocka_unit_test(fields_that_contradict_each_other),
        cmocka_unit_test(descriptors_that_are_not_open),
        cmocka_unit_test(arguments_that_make_no_sense),
        cmocka_unit_test(buffers_that_were_not_initialised),
        cmocka_unit_test(messages_name_the_wrong_value),
        cmocka_unit_test(fn_that_is_NULL_in_the_short_call),
        cmocka_unit_test(methods_that_need_forkcall_init),
        cmocka_unit_test(values_at_the_edge_of_their_range),
        cmocka_unit_test(timeouts_are_turned_off_by_the_environment),
        cmocka_unit_test(message_says_that_the_environment_has_chosen_the_method),
        cmocka_unit_test(refused_fork_is_told_to_be_the_environments),
        cmocka_unit_test(method_from_the_environment),
        cmocka_unit_test(debugging_from_the_environment),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
