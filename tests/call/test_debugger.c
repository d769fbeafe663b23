/* Tests that a deadline waits while a debugger is attached, and only then. A process with the name
 * of a debugger stands for it. */
#include "children.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* What host, child and tracer note in shared_memory(). */
struct evidence {
    atomic_int target; /* the process to trace */
    atomic_int traced; /* 1: the tracer has attached; -1: it may not */
    atomic_int release, released;
};

static struct evidence *evidence(void)
{
    return shared_memory();
}

enum target { TARGET_HOST, TARGET_CHILD, TARGET_CHILD_OF_LATER, TARGET_CHILD_OF_ITS_OWN };

struct scene {
    char tracer[16]; /* its name */
    enum target target;
    bool waits; /* the deadline does */
    int timeout_ms;
};

static void be_traceable(void)
{
#ifdef PR_SET_PTRACER
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
#endif
}

/* Attaches, lets the process go on with all its signals, and detaches by its own end. */
static _Noreturn void trace(const char *name)
{
    int status;
    prctl(PR_SET_NAME, name, 0, 0, 0);
    if (!wait_until(is_set, &evidence()->target))
        _exit(1);
    const pid_t pid = evidence()->target;
    evidence()->traced = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 ? 1 : -1;
    for (int i = 0; i < DEADLINE_S * 1000 && !evidence()->release; i++) {
        if (waitpid(pid, &status, WNOHANG | __WALL) == pid && WIFSTOPPED(status))
            ptrace(PTRACE_CONT, pid, NULL, (long)(status >> 16 == 0 ? WSTOPSIG(status) : 0));
        usleep(1000);
    }
    evidence()->released = 1;
    _exit(0);
}

static pid_t start_tracer(const char *name)
{
    const pid_t pid = fork();
    if (pid == 0)
        trace(name);
    return pid;
}

static int hangs_traced(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct scene *scene = args;
    be_traceable();
    if (scene->target != TARGET_HOST)
        evidence()->target = getpid();
    if (scene->target == TARGET_CHILD_OF_ITS_OWN)
        start_tracer(scene->tracer);
    return child_hangs(args, args_size, result);
}

static int host_of_a_call(void *context)
{
    const struct scene *scene = context;
    const struct forkcall_options options = {.timeout_ms = scene->timeout_ms};
    struct forkcall_call *call;
    be_traceable();
    /* As a process does that an earlier call has left behind. */
    if (scene->target == TARGET_CHILD_OF_LATER) {
        usleep(30000);
        CHECK(start_tracer(scene->tracer) >= 0);
        usleep(30000); /* the tracer is older than the child, also as the kernel counts time */
    }
    CHECK(warm_up());
    if (scene->target == TARGET_HOST) {
        evidence()->target = getpid();
        CHECK(wait_until(is_set, &evidence()->traced));
    }
    const double start_s = now_s();
    CHECK(start_tested(&call, hangs_traced, scene, sizeof *scene, NULL, &options) == 0);
    const bool is_traced = wait_until(is_set, &evidence()->traced) && now_s() < start_s + scene->timeout_ms / 1e3;
    if (evidence()->traced < 0) {
        forkcall_cancel(call);
        forkcall_finish(call);
        return NOT_HERE;
    }
    if (scene->waits && is_traced) {
        CHECK(forkcall_wait(call, scene->timeout_ms + 100) == 0);
        struct pollfd fd = {.fd = forkcall_fd(call), .events = POLLIN};
        bool is_quiet = false; /* an event loop does not spin */
        for (int i = 0; i < 5 && !is_quiet; i++)
            is_quiet = forkcall_wait(call, 0) == 0 && poll(&fd, 1, 0) == 0;
        CHECK(fd.fd >= 0 && is_quiet);
    }
    if (scene->waits) { /* also if it has come too late: the deadline waits from then on */
        evidence()->release = 1;
        CHECK(wait_until(is_set, &evidence()->released));
    }
    const struct forkcall_report r = forkcall_finish(call);
    CHECK(r.status == FORKCALL_TIMED_OUT);
    evidence()->release = 1;
    while (wait(NULL) > 0) {
    }
    return is_traced ? 42 : 43;
}

/* A machine that is too slow to attach in time gets more time. */
static void run_scene(struct scene scene, const char *name)
{
    int r = 43;
#ifdef TEST_PORTABLE
    scene.waits = false;
#endif
    for (scene.timeout_ms = short_timeout_ms(); r == 43 && scene.timeout_ms < 5000 * time_factor();
         scene.timeout_ms *= 3) {
        clear_shared_memory();
        const bool has_older_tracer = scene.target == TARGET_HOST || scene.target == TARGET_CHILD;
        const pid_t tracer = has_older_tracer ? start_tracer(scene.tracer) : 0;
        assert_true(tracer >= 0);
        usleep(30000); /* the tracer is older than the host, also as the kernel counts time */
        r = host_run(host_of_a_call, &scene);
        evidence()->release = 1;
        if (tracer > 0) {
            kill(tracer, SIGKILL); /* it waits for a process to trace, if there was none */
            assert_int_equal(waitpid(tracer, NULL, 0), tracer);
        }
    }
    if (r == NOT_HERE) {
        print_message("skipped %s: a process may not trace another here\n", name);
        skip();
    }
    assert_int_equal(r, 42);
}

static void deadline_waits_while_a_debugger_traces_the_host(void **state)
{
    (void)state;
    run_scene((struct scene){.tracer = "gdb", .target = TARGET_HOST, .waits = true}, __func__);
}

static void deadline_waits_while_a_debugger_traces_the_child(void **state)
{
    (void)state;
    run_scene((struct scene){.tracer = "lldb-server", .target = TARGET_CHILD, .waits = true}, __func__);
}

static void deadline_comes_under_other_tracers(void **state)
{
    (void)state;
    run_scene((struct scene){.tracer = "strace", .target = TARGET_HOST}, __func__);
    run_scene((struct scene){.tracer = "strace", .target = TARGET_CHILD}, __func__);
}

static void process_of_an_earlier_call_cannot_play_the_debugger(void **state)
{
    (void)state;
    run_scene((struct scene){.tracer = "gdb", .target = TARGET_CHILD_OF_LATER}, __func__);
}

static void function_cannot_end_its_deadline_by_tracing_itself(void **state)
{
    (void)state;
    run_scene((struct scene){.tracer = "gdb", .target = TARGET_CHILD_OF_ITS_OWN}, __func__);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(deadline_waits_while_a_debugger_traces_the_host),
        TEST(deadline_waits_while_a_debugger_traces_the_child),
        TEST(deadline_comes_under_other_tracers),
        TEST(process_of_an_earlier_call_cannot_play_the_debugger),
        TEST(function_cannot_end_its_deadline_by_tracing_itself),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
