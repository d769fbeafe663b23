/* Tests the case for which the library was written: another library that warns or refuses once it
 * was used on both sides of a fork. */
#include "cfguard.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER 77
#define FIRST_LINE \
    "The process has forked and you cannot use this CoreFoundation functionality safely. You MUST exec().\n"
#define SECOND_LINE                                                                                               \
    "Break on __THE_PROCESS_HAS_FORKED_AND_YOU_CANNOT_USE_THIS_COREFOUNDATION_FUNCTIONALITY___YOU_MUST_EXEC__() " \
    "to debug.\n"

/* ---- Functions that are called --------------------------------------------------------------- */

static int get_run_loop(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int turns = cfguard_run_loop_main()->turns;
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &turns, sizeof turns);
}

static int make_port(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct cfguard_port *port = cfguard_port_new(NUMBER);
    (void)args;
    (void)args_size;
    if (port == NULL)
        return forkcall_fail(EPERM, "no port");
    const int r = forkcall_buf_append(result, &port->number, sizeof port->number);
    cfguard_port_free(port);
    return r;
}

static int measure(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int length = cfguard_string_length(args);
    (void)args_size;
    return forkcall_buf_append(result, &length, sizeof length);
}

/* Forks itself: its own child has the mark, too. */
static int make_port_in_grandchild(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int status = -1;
    (void)args;
    (void)args_size;
    (void)result;
    const pid_t pid = fork();
    if (pid == 0) {
        struct cfguard_port *port = cfguard_port_new(NUMBER);
        _exit(port != NULL ? 0 : 5);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status);
}

/* ---- Calling --------------------------------------------------------------------------------- */

struct outcome {
    struct forkcall_report report;
    int answer;
    char written[1024]; /* the call's details: what was written to standard error */
    char explained[4096];
};

static struct outcome call(enum forkcall_method method, forkcall_fn *fn)
{
    static const char text[] = "twelve chars";
    struct outcome outcome;
    memset(&outcome, 0, sizeof outcome);
    struct forkcall_buf result = forkcall_buf_fixed(&outcome.answer, sizeof outcome.answer);
    struct forkcall_buf details = forkcall_buf_fixed(outcome.written, sizeof outcome.written - 1);
    const struct forkcall_options options = {
        .method = method, .timeout_ms = PLENTY_MS, .standard_error = FORKCALL_STREAM_CAPTURE, .details = &details};
    outcome.report = forkcall_run(fn, text, sizeof text, &result, &options);
    outcome.written[details.size] = '\0';
    forkcall_explain(&outcome.report, outcome.explained, sizeof outcome.explained);
    if (outcome.report.status != FORKCALL_OK)
        outcome.answer = -1;
    return outcome;
}

/* Returns 0 if the guard did not trip and the answer is right. */
static int check_quiet(enum forkcall_method method, forkcall_fn *fn, int answer)
{
    const struct outcome outcome = call(method, fn);
    if (outcome.report.status != FORKCALL_OK)
        fprintf(stderr, "%s\n", outcome.explained);
    CHECK(outcome.report.status == FORKCALL_OK);
    CHECK(outcome.report.method == method);
    CHECK(outcome.answer == answer);
    CHECK(outcome.written[0] == '\0');
    CHECK(outcome.report.hints == 0);
    CHECK(strstr(outcome.explained, "CoreFoundation") == NULL);
    return 0;
}

/* Returns 0 if the guard tripped and the report says so. */
static int check_tripped(const struct outcome *outcome)
{
    CHECK(strstr(outcome->written, FIRST_LINE SECOND_LINE) != NULL);
    CHECK(outcome->report.hints == FORKCALL_HINT_COREFOUNDATION);
    CHECK(strstr(outcome->explained, "CoreFoundation warned") != NULL);
    CHECK(strstr(outcome->explained, "forkcall_init()") != NULL);
    CHECK(strstr(outcome->explained, "FORKCALL_SPAWN") != NULL);
    return 0;
}

static int use_here(void)
{
    struct cfguard_port *port = cfguard_port_new(NUMBER);
    CHECK(port != NULL && port->number == NUMBER);
    cfguard_port_free(port);
    return 0;
}

static int check_all_quiet(enum forkcall_method method)
{
    CHECK(check_quiet(method, get_run_loop, 1) == 0);
    CHECK(check_quiet(method, make_port, NUMBER) == 0);
    CHECK(check_quiet(method, measure, 12) == 0);
    CHECK(check_quiet(method, get_run_loop, 1) == 0); /* each call has a new process */
    return 0;
}

/* ---- FORK ------------------------------------------------------------------------------------ */

static int fork_after_use(void *unused)
{
    (void)unused;
    CHECK(use_here() == 0);
    struct outcome outcome = call(FORKCALL_FORK, get_run_loop);
    /* The function warns and goes on. */
    CHECK(outcome.report.status == FORKCALL_OK && outcome.answer == 1);
    CHECK(check_tripped(&outcome) == 0);
    outcome = call(FORKCALL_FORK, make_port);
    CHECK(outcome.report.status == FORKCALL_FAILED && outcome.report.code == EPERM);
    CHECK(strcmp(outcome.report.message, "no port") == 0);
    CHECK(check_tripped(&outcome) == 0);
    outcome = call(FORKCALL_FORK, make_port_in_grandchild);
    CHECK(outcome.report.status == FORKCALL_FAILED && outcome.report.code == 5);
    CHECK(check_tripped(&outcome) == 0);
    CHECK(check_quiet(FORKCALL_FORK, measure, 12) == 0); /* this function is not guarded */
    /* The caller itself can still use the library. */
    CHECK(use_here() == 0);
    return 0;
}

static void guard_trips_under_FORK_after_use_in_the_caller(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_after_use, NULL), 0);
}

static int fork_without_use(void *unused)
{
    (void)unused;
    CHECK(check_all_quiet(FORKCALL_FORK) == 0);
    CHECK(cfguard_string_length("in the caller") == 13); /* does not count as use */
    CHECK(check_all_quiet(FORKCALL_FORK) == 0);
    return 0;
}

static void guard_stays_quiet_under_FORK_while_only_children_use_it(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_without_use, NULL), 0);
}

/* A child that is the first to use the library, and then makes calls. */
static int calls_from_a_child_that_uses_it(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    CHECK(use_here() == 0);
    const struct outcome outcome = call(FORKCALL_FORK, make_port);
    CHECK(outcome.report.status == FORKCALL_FAILED);
    return check_tripped(&outcome);
}

static int fork_from_child(void *unused)
{
    (void)unused;
    const struct forkcall_report report = run_in_forked_process(calls_from_a_child_that_uses_it, NULL, NULL);
    CHECK(report.status == FORKCALL_OK);
    CHECK(report.hints == 0); /* the hint belongs to the inner call only */
    return check_all_quiet(FORKCALL_FORK);
}

static void guard_trips_in_a_call_that_is_nested_in_a_child_that_used_it(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_from_child, NULL), 0);
}

/* ---- By SERVER and SPAWN --------------------------------------------------------------------- */

static enum forkcall_method cure;

static int start_before_use(void *unused)
{
    (void)unused;
    CHECK(check_all_quiet(cure) == 0);
    CHECK(use_here() == 0);
    return check_all_quiet(cure);
}

static int start_after_use(void *unused)
{
    (void)unused;
    CHECK(use_here() == 0);
    CHECK(check_all_quiet(cure) == 0);
    /* The same function still fails by FORK. */
    const struct outcome outcome = call(FORKCALL_FORK, make_port);
    CHECK(check_tripped(&outcome) == 0);
    return check_all_quiet(cure);
}

static void guard_stays_quiet_when_started_before_use_in_the_caller(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("qemu-user cannot start the program once more");
    assert_int_equal(host_run(start_before_use, NULL), 0);
}

static void guard_stays_quiet_when_started_after_use_in_the_caller(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("qemu-user cannot start the program once more");
    assert_int_equal(host_run(start_after_use, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest with_fork[] = {
        cmocka_unit_test(guard_trips_under_FORK_after_use_in_the_caller),
        cmocka_unit_test(guard_stays_quiet_under_FORK_while_only_children_use_it),
        cmocka_unit_test(guard_trips_in_a_call_that_is_nested_in_a_child_that_used_it),
    };
    const struct CMUnitTest with_cure[] = {
        cmocka_unit_test(guard_stays_quiet_when_started_before_use_in_the_caller),
        cmocka_unit_test(guard_stays_quiet_when_started_after_use_in_the_caller),
    };
    cure = tested_method();
    if (cure == FORKCALL_FORK)
        return cmocka_run_group_tests(with_fork, NULL, NULL);
    return cmocka_run_group_tests(with_cure, NULL, NULL);
}
