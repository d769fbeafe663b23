/* Tests deadlines: a function that does not answer in time is ended, whatever it does, and one that
 * answers in time has answered.
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif
#endif

#define LONG_MS (DEADLINE_S * 1000)
#define BIG_ANSWER 20000

/* What host and child note in shared_memory(). */
struct evidence {
    atomic_int pid; /* pid of a child that is ready for its deadline */
    atomic_int grandchild_is_ready, terminated, grandchild, answers;
};

static struct evidence *evidence(void)
{
    return shared_memory();
}

static bool is_ready(void *unused)
{
    (void)unused;
    return evidence()->pid != 0;
}

static bool is_stopped(void *unused)
{
    (void)unused;
    return evidence()->pid != 0 && process_state(evidence()->pid) == 'T';
}

/* Waits until the child is ready before it calls forkcall_finish(). Only forkcall_finish() checks
 * the deadline, so even on a slow machine the child is ready when its deadline acts. */
static struct forkcall_report run_until(bool (*condition)(void *), forkcall_fn *fn, int grace_ms,
                                        struct forkcall_buf *result)
{
    const struct forkcall_options options = {.timeout_ms = short_timeout_ms(), .grace_ms = grace_ms};
    struct forkcall_call *call;
    evidence()->pid = 0;
    assert_int_equal(start_tested(&call, fn, NULL, 0, result, &options), 0);
    assert_true(wait_until(condition, NULL));
    return forkcall_finish(call);
}

/* by_signal: the signal; 0: exit(), whose status not every system knows. */
static void assert_timed_out(const struct forkcall_report *report, int by_signal)
{
    char message[64];
    assert_status(*report, FORKCALL_TIMED_OUT);
    assert_int_equal(report->ran, FORKCALL_RAN_YES);
    snprintf(message, sizeof message, "no answer within %d ms", short_timeout_ms());
    assert_memory_equal(report->message, message, strlen(message)); /* and where it was */
    assert_int_equal(report->crash.signal, 0);
    if (by_signal == 0)
        assert_true(report->wait_status == wait_status_of_told_end(report->wait_status & 0xff00));
    else
        assert_int_equal(report->wait_status, by_signal);
    if (report->wait_status != -1)
        assert_false(process_lives(report->pid));
}

/* ---- Functions that do not end --------------------------------------------------------------- */

static int hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    evidence()->pid = getpid();
    return child_hangs(args, args_size, result);
}

static int spins(const void *args, size_t args_size, struct forkcall_buf *result)
{
    volatile unsigned turns = 0;
    (void)args_size;
    (void)result;
    evidence()->pid = getpid();
    while (args == NULL)
        turns++;
    return 0;
}

static int stops_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    evidence()->pid = getpid();
    raise(SIGSTOP);
    return 0;
}

static int ignores_all_it_can(const void *args, size_t args_size, struct forkcall_buf *result)
{
    sigset_t all;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_IGN);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return hangs(args, args_size, result);
}

static void function_that_hangs_spins_stops_or_ignores_signals(void **state)
{
    forkcall_fn *const functions[] = {hangs, spins, stops_itself, ignores_all_it_can};
    (void)state;
    const struct traces before = traces_now();
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const struct forkcall_report r = run_until(is_ready, functions[i], 0, NULL);
        assert_timed_out(&r, SIGKILL);
    }
    assert_no_traces(before, false);
}

static void SIGTERM_comes_first_where_there_is_grace(void **state)
{
    (void)state;
    struct forkcall_report r = run_until(is_ready, hangs, LONG_MS, NULL);
    assert_timed_out(&r, SIGTERM);
    r = run_until(is_ready, ignores_all_it_can, 10, NULL);
    assert_timed_out(&r, SIGKILL);
}

/* ---- Grace ----------------------------------------------------------------------------------- */

static volatile sig_atomic_t asked_to_end;

static void note_the_end(int signal)
{
    (void)signal;
    asked_to_end = 1;
}

/* Waits for SIGTERM in a way that cannot miss it. */
static void wait_to_be_asked(void (*handler)(int), bool stop)
{
    sigset_t term, old;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, &old);
    signal(SIGTERM, handler);
    evidence()->pid = getpid();
    if (stop)
        raise(SIGSTOP);
    while (!asked_to_end)
        sigsuspend(&old);
}

static int answers_within_the_grace(const void *args, size_t args_size, struct forkcall_buf *result)
{
    wait_to_be_asked(note_the_end, false);
    return child_answers_42(args, args_size, result);
}

static int stops_and_answers_within_the_grace(const void *args, size_t args_size, struct forkcall_buf *result)
{
    wait_to_be_asked(note_the_end, true);
    return child_answers_42(args, args_size, result);
}

static int fails_within_the_grace(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    wait_to_be_asked(note_the_end, false);
    return forkcall_fail(EINTR, "asked to end");
}

static void exit_0(int signal)
{
    (void)signal;
    exit(0); // NOLINT(concurrency-mt-unsafe): what is tested
}

static int exits_within_the_grace(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    wait_to_be_asked(exit_0, false);
    return 0;
}

static void answer_within_the_grace_is_an_answer(void **state)
{
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    (void)state;
    struct forkcall_report r = run_until(is_ready, answers_within_the_grace, LONG_MS, &result);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(answer, 42);
    r = run_until(is_ready, fails_within_the_grace, LONG_MS, &result);
    assert_status(r, FORKCALL_FAILED);
    assert_string_equal(r.message, "asked to end");
}

static void stopped_function_gets_its_grace_too(void **state)
{
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    (void)state;
    const struct forkcall_report r = run_until(is_stopped, stops_and_answers_within_the_grace, LONG_MS, &result);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(answer, 42);
}

static void exit_within_the_grace_is_no_answer(void **state)
{
    (void)state;
    const struct forkcall_report r = run_until(is_ready, exits_within_the_grace, LONG_MS, NULL);
    assert_timed_out(&r, 0);
}

static void note_in_evidence(int signal)
{
    (void)signal;
    evidence()->terminated = 1;
    asked_to_end = 1;
}

/* The function and its child wait for SIGTERM. The function answers when its child has got it. */
static int waits_with_its_child(const void *args, size_t args_size, struct forkcall_buf *result)
{
    signal(SIGTERM, note_in_evidence);
    const pid_t pid = fork();
    if (pid == 0) {
        evidence()->grandchild_is_ready = 1;
        while (!asked_to_end)
            usleep(1000);
        _exit(0);
    }
    if (pid < 0 || !wait_until(is_set, &evidence()->grandchild_is_ready))
        return 1;
    wait_to_be_asked(note_the_end, false);
    if (waitpid(pid, NULL, 0) != pid)
        return 2;
    return child_answers_42(args, args_size, result);
}

static void grace_is_for_the_whole_process_group(void **state)
{
    (void)state;
    const struct forkcall_report r = run_until(is_ready, waits_with_its_child, LONG_MS, NULL);
    assert_status(r, FORKCALL_OK);
    assert_int_equal(evidence()->terminated, 1);
}

static void deadline_that_is_not_reached_changes_nothing(void **state)
{
    const int times[][2] = {{LONG_MS, 0}, {LONG_MS, LONG_MS}, {INT32_MAX, INT32_MAX}};
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        const struct forkcall_options options = {.timeout_ms = times[i][0], .grace_ms = times[i][1]};
        const struct forkcall_report r = run_tested(child_returns_0, NULL, 0, NULL, &options);
        assert_status(r, FORKCALL_OK);
    }
}

/* ---- After the trailer ----------------------------------------------------------------------- */

#ifdef SECCOMP_FILTER_FLAG_NEW_LISTENER
/* Blocks exit_group(2), by which every process ends: from now on the call waits for an answer that
 * never comes. */
static int block_the_end(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static int answers_and_lives_on(const void *args, size_t args_size, struct forkcall_buf *result)
{
    if (block_the_end() < 0)
        return ENOSYS;
    return child_answers_42(args, args_size, result);
}

static int fails_and_lives_on(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return block_the_end() < 0 ? ENOSYS : forkcall_fail(EPERM, "failed");
}

/* The caller or the server has killed the child. */
static void assert_was_killed(const struct forkcall_report *report)
{
    int pid = report->pid;
    assert_int_equal(report->wait_status, wait_status_of_told_end(SIGKILL));
    assert_true(wait_until(process_is_gone, &pid));
}

static void child_that_lives_after_its_trailer_is_killed(void **state)
{
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    (void)state;
    if (tested_calls_reuse_children())
        SKIP("such a child waits, not fit, until another call looks at it");
    const struct traces before = traces_now();
    struct forkcall_report r = run_tested(answers_and_lives_on, NULL, 0, &result, NULL);
    if (r.status == FORKCALL_FAILED && r.code == ENOSYS)
        SKIP("no seccomp listener here to keep a process from its end");
    assert_status(r, FORKCALL_OK);
    assert_int_equal(answer, 42);
    assert_was_killed(&r);
    r = run_tested(fails_and_lives_on, NULL, 0, &result, NULL);
    assert_status(r, FORKCALL_FAILED);
    assert_int_equal(r.code, EPERM);
    assert_was_killed(&r);
    assert_no_traces(before, false);
}
static void answer(int signal)
{
    (void)signal;
    evidence()->answers++;
}

/* Writes a long answer, all of which fits into the pipe, leaves a process behind, and cannot
 * end. */
static int answers_at_length_and_lives_on(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    signal(SIGUSR1, answer);
    const pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    evidence()->grandchild = pid;
    char *place = forkcall_buf_extend(result, BIG_ANSWER);
    if (place == NULL)
        return ENOMEM;
    memset(place, 'a', BIG_ANSWER);
    evidence()->pid = getpid();
    return block_the_end() < 0 ? ENOSYS : 0;
}

/* True: the child has written its trailer and is in exit_group(2), or it has ended. */
static bool wants_to_end(void)
{
    char path[64];
    char line[64];
    if (evidence()->pid == 0)
        return false;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)evidence()->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return true;
    /* The line begins with the number of the current system call, or is "running". */
    const bool wants = fgets(line, sizeof line, file) != NULL && strtol(line, NULL, 10) == SYS_exit_group;
    fclose(file);
    return wants || !process_lives(evidence()->pid);
}

static double test_is_due_s;

static bool wants_to_end_and_deadline_has_passed(void *unused)
{
    (void)unused;
    return wants_to_end() && now_s() > test_is_due_s;
}

static void trailer_wins_over_a_deadline_that_has_passed_too(void **state)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)state;
    test_is_due_s = now_s() + 2 * short_timeout_ms() / 1e3;
    const struct forkcall_report r =
        run_until(wants_to_end_and_deadline_has_passed, answers_at_length_and_lives_on, 0, &result);
    if (r.status != FORKCALL_OK && evidence()->grandchild > 0)
        kill(evidence()->grandchild, SIGKILL);
    if (r.status == FORKCALL_FAILED && r.code == ENOSYS)
        SKIP("no seccomp listener here to keep a process from its end");
    assert_status(r, FORKCALL_OK);
    assert_int_equal(result.size, BIG_ANSWER);
    /* At the deadline, the whole group would have been killed. The grandchild lives, so the trailer
     * came first. */
    assert_true(evidence()->grandchild > 0 && kill(evidence()->grandchild, SIGUSR1) == 0);
    assert_true(wait_until(is_set, &evidence()->answers));
    kill(evidence()->grandchild, SIGKILL);
    forkcall_buf_free(&result);
}
#else /* not Linux, or without the kernel's headers */
static void child_that_lives_after_its_trailer_is_killed(void **state)
{
    (void)state;
    SKIP("no seccomp listener here to keep a process from its end");
}

static void trailer_wins_over_a_deadline_that_has_passed_too(void **state)
{
    (void)state;
    SKIP("no seccomp listener here to keep a process from its end");
}
#endif

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(function_that_hangs_spins_stops_or_ignores_signals),
        TEST(SIGTERM_comes_first_where_there_is_grace),
        TEST(answer_within_the_grace_is_an_answer),
        TEST(stopped_function_gets_its_grace_too),
        TEST(exit_within_the_grace_is_no_answer),
        TEST(grace_is_for_the_whole_process_group),
        TEST(deadline_that_is_not_reached_changes_nothing),
        TEST(child_that_lives_after_its_trailer_is_killed),
        TEST(trailer_wins_over_a_deadline_that_has_passed_too),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
