/* Tests a child that a tracer holds: the child has ended, but the kernel does not let its parent
 * reap it.
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* What host, child and tracer note in shared_memory(). */
struct evidence {
    atomic_int pid;    /* pid of the child */
    atomic_int traced; /* 1: the tracer has attached; -1: it may not */
    atomic_int release;
};

static struct evidence *evidence(void)
{
    return shared_memory();
}

/* Attaches to the child, and never asks how it ended. */
static int trace(void)
{
    if (!wait_until(is_set, &evidence()->pid))
        return 1;
    evidence()->traced = ptrace(PTRACE_SEIZE, evidence()->pid, NULL, NULL) == 0 ? 1 : -1;
    return wait_until(is_set, &evidence()->release) ? 0 : 1;
}

static pid_t start_tracer(void)
{
    const pid_t pid = fork();
    if (pid == 0)
        _exit(trace());
    return pid;
}

/* Makes the function's process traceable by every process of this user, if the system restricts
 * tracing. */
static void be_traceable(void)
{
#ifdef PR_SET_PTRACER
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
#endif
    evidence()->pid = getpid();
}

static int hangs_traceable(const void *args, size_t args_size, struct forkcall_buf *result)
{
    be_traceable();
    return child_hangs(args, args_size, result);
}

static int answers_once_traced(const void *args, size_t args_size, struct forkcall_buf *result)
{
    be_traceable();
    return wait_until(is_set, &evidence()->traced) ? child_answers_42(args, args_size, result) : 1;
}

static bool is_zombie(void *pid)
{
    return process_state(*(int *)pid) == 'Z';
}

/* True: the process does not even exist as a zombie. */
static bool is_reaped(void *pid)
{
    return process_state(*(int *)pid) == '-';
}

struct scene {
    forkcall_fn *fn;
    int timeout_ms;
    enum forkcall_status status;
};

static int host_of_a_traced_child(void *context)
{
    const struct scene *scene = context;
    const struct forkcall_options options = {.timeout_ms = scene->timeout_ms};
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    struct forkcall_call *call;
    CHECK(warm_up());
    const struct traces before = traces_now();
    const pid_t tracer = start_tracer();
    CHECK(tracer > 0);
    CHECK(start_tested(&call, scene->fn, NULL, 0, &result, &options) == 0);
    CHECK(wait_until(is_set, &evidence()->traced));
    if (evidence()->traced < 0) {
        forkcall_cancel(call);
        forkcall_finish(call);
        return NOT_HERE;
    }
    const struct forkcall_report r = forkcall_finish(call);
    int pid = r.pid;
    CHECK(r.status == scene->status && r.wait_status == -1 && r.ran == FORKCALL_RAN_YES);
    CHECK(scene->status != FORKCALL_OK || answer == 42);
    /* The call could not reap the child, and by SERVER it did not try. */
    CHECK(wait_until(is_zombie, &pid));
    CHECK(run_tested(child_returns_0, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    CHECK(is_zombie(&pid));
    evidence()->release = 1;
    CHECK(waitpid(tracer, NULL, 0) == tracer);
    CHECK(run_tested(child_returns_0, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    /* This later call must reap the child. By SERVER the server reaps it. */
    CHECK(tested_method() == FORKCALL_SERVER ? wait_until(is_reaped, &pid) : is_reaped(&pid));
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors && after.children == before.children);
    return 42;
}

static void run_scene(struct scene scene, const char *name)
{
    const int r = host_run(host_of_a_traced_child, &scene);
    if (r == NOT_HERE) {
        print_message("skipped %s: a process may not trace another here\n", name);
        skip();
    }
    assert_int_equal(r, 42);
}

static void killed_child_that_a_tracer_holds_is_reaped_by_a_later_call(void **state)
{
    const struct scene scene = {hangs_traceable, short_timeout_ms(), FORKCALL_TIMED_OUT};
    (void)state;
    run_scene(scene, __func__);
}

static void child_that_has_answered_and_a_tracer_holds_is_reaped_by_a_later_call(void **state)
{
    const struct scene scene = {answers_once_traced, DEADLINE_S * 1000, FORKCALL_OK};
    (void)state;
    run_scene(scene, __func__);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(killed_child_that_a_tracer_holds_is_reaped_by_a_later_call),
        TEST(child_that_has_answered_and_a_tracer_holds_is_reaped_by_a_later_call),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
