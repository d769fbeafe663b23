/* Tests which method AUTO chooses after forkcall_init(), in a host, a child and a server. */
#include "servers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *sit(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static int be_server(void *context)
{
    const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, NULL);
    (void)context;
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES) && report.method == FORKCALL_SERVER);
    return 0;
}

static void it_is_SERVER(void **state)
{
    (void)state;
    assert_int_equal(host_run(be_server, NULL), 0);
}

static int be_fork_by_pointer(void *context)
{
    int here = 5;
    struct forkcall_report report = forkcall_run(child_returns_0, &here, FORKCALL_BY_POINTER, NULL, NULL);
    (void)context;
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES) && report.method == FORKCALL_FORK);
    report = run_in_forked_process(child_returns_0, &here, NULL);
    CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES) && report.method == FORKCALL_FORK);
    for (int method = FORKCALL_SERVER; method <= FORKCALL_SPAWN; method++) {
        const struct forkcall_options options = {.method = (enum forkcall_method)method};
        report = forkcall_run(child_returns_0, &here, FORKCALL_BY_POINTER, NULL, &options);
        CHECK(ended(&report, FORKCALL_NOT_STARTED, FORKCALL_RAN_NO) && report.code == 22);
    }
    return 0;
}

static void it_is_FORK_for_pointers(void **state)
{
    (void)state;
    assert_int_equal(host_run(be_fork_by_pointer, NULL), 0);
}

struct nested {
    enum forkcall_status status;
    enum forkcall_method method;
    pid_t pid, child;
    int children;
};

/* args: the method of the inner call. */
static int child_calls(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.method = *(const enum forkcall_method *)args, .timeout_ms = PLENTY_MS};
    struct forkcall_buf inner = FORKCALL_BUF_INIT;
    struct nested nested = {.pid = getpid()};
    (void)args_size;
    const struct forkcall_report report = forkcall_run(child_answers_42, NULL, 0, &inner, &options);
    nested.status = inner.size == sizeof(int) && *(int *)inner.data == 42 ? report.status : FORKCALL_LOST;
    if (report.status != FORKCALL_OK)
        fprintf(stderr, "the inner call: %s\n", report.message);
    nested.method = report.method;
    nested.child = report.pid;
    nested.children = children_of(getpid(), NULL, 0);
    forkcall_buf_free(&inner);
    return forkcall_buf_append(result, &nested, sizeof nested);
}

static int nest(void *context)
{
    static const enum forkcall_method methods[] = {FORKCALL_FORK, FORKCALL_SERVER, FORKCALL_SPAWN};
    (void)context;
    for (size_t outer = 0; outer < 3; outer++) {
        struct nested nested;
        enum forkcall_method inner = FORKCALL_AUTO;
        CHECK(ask(methods[outer], child_calls, &inner, sizeof inner, &nested, sizeof nested));
        CHECK(nested.status == FORKCALL_OK && nested.method == FORKCALL_FORK && nested.children == 0);
        for (size_t i = 0; i < 3; i++) {
            inner = methods[i];
            CHECK(ask(methods[outer], child_calls, &inner, sizeof inner, &nested, sizeof nested));
            CHECK(nested.status == FORKCALL_OK && nested.method == inner && nested.children == 0);
            CHECK(nested.child != nested.pid);
            /* The child's own server, and that server's child, end with the child. */
            CHECK(all_gone(&nested.child, 1) && all_gone(&nested.pid, 1));
        }
    }
    return 0;
}

static void it_is_FORK_in_a_child_and_every_method_can_be_asked_for(void **state)
{
    (void)state;
    assert_int_equal(host_run(nest, NULL), 0);
}

static int run_threaded(void *context)
{
    pthread_t thread;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)context;
    CHECK(pthread_create(&thread, NULL, sit, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        const struct forkcall_report report = forkcall_run(child_answers_42, NULL, 0, &result, NULL);
        CHECK(ended(&report, FORKCALL_OK, FORKCALL_RAN_YES) && report.method == FORKCALL_SERVER);
        CHECK((report.hazards & FORKCALL_HAZARD_THREADS) != 0);
        CHECK(result.size == sizeof(int) && *(int *)result.data == 42);
    }
    forkcall_buf_free(&result);
    return 0;
}

static void threaded_program_works_with_default_options(void **state)
{
    (void)state;
    assert_int_equal(host_run(run_threaded, NULL), 0);
}

/* A function of the program could not run in any helper. */
static int name_a_helper(void *context)
{
    CHECK(forkcall_use_helper("/bin/sh") == 0);
    return be_server(context);
}

static void a_helper_changes_nothing_where_the_program_has_called_forkcall_init(void **state)
{
    (void)state;
    assert_int_equal(host_run(name_a_helper, NULL), 0);
}

static int fork_threaded(void *context)
{
    static const struct forkcall_options options = {.method = FORKCALL_FORK};
    pthread_t thread;
    int here = 5;
    (void)context;
    CHECK(pthread_create(&thread, NULL, sit, NULL) == 0);
    for (int i = 0; i < 2; i++) {
        const struct forkcall_report report = forkcall_run(
            child_returns_0, &here, i == 0 ? sizeof here : FORKCALL_BY_POINTER, NULL, i == 0 ? &options : NULL);
        CHECK(ended(&report, FORKCALL_UNSAFE, FORKCALL_RAN_NO) && report.method == FORKCALL_FORK);
        CHECK(strstr(report.message, "SERVER or SPAWN") != NULL);
        /* The program has called forkcall_init(). */
        CHECK(strstr(report.message, "forkcall_init()") == NULL);
    }
    return 0;
}

static void refused_fork_names_the_methods_that_work(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_threaded, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_SERVER),
        cmocka_unit_test(it_is_FORK_for_pointers),
        cmocka_unit_test(it_is_FORK_in_a_child_and_every_method_can_be_asked_for),
        cmocka_unit_test(threaded_program_works_with_default_options),
        cmocka_unit_test(a_helper_changes_nothing_where_the_program_has_called_forkcall_init),
        cmocka_unit_test(refused_fork_names_the_methods_that_work),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
