/* Tests that a call which is ended for a timeout or a cancel tells where its function was, in
 * bounded time whatever the function has done to its signals, and that nothing else notices. */
#include "config.h"

#include "call/call.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum way { SLEEPS, SPINS, IN_THREAD, CLOSES_REPLY, BLOCKS, STOPS, OWN_HANDLER, IGNORES, EXECS, FORKS };

static volatile int never;

static void *sleep_in_a_thread(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void own_handler(int signal)
{
    (void)signal;
}

static void close_all(void)
{
    for (int fd = 0; fd < 100; fd++)
        close(fd);
}

static int child_hangs_so(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static const struct sigaction ignore = {.sa_handler = SIG_IGN}, own = {.sa_handler = own_handler};
    sigset_t all;
    pthread_t thread;
    (void)args_size;
    (void)result;
    sigfillset(&all);
    forkcall_progress(1, 1, "there");
    switch (*(const enum way *)args) {
    case SLEEPS:
        break;
    case SPINS:
        while (never == 0)
            ;
        break;
    case IN_THREAD:
        if (pthread_create(&thread, NULL, sleep_in_a_thread, NULL) == 0)
            pthread_join(thread, NULL);
        break;
    case CLOSES_REPLY:
        close_all();
        break;
    case BLOCKS:
        pthread_sigmask(SIG_BLOCK, &all, NULL);
        break;
    case STOPS:
        raise(SIGSTOP);
        break;
    case OWN_HANDLER:
        sigaction(FC_WHERE_SIGNAL, &own, NULL);
        break;
    case IGNORES:
        sigaction(FC_WHERE_SIGNAL, &ignore, NULL);
        break;
    case EXECS:
        execlp("sleep", "sleep", "100", (char *)NULL);
        break;
    case FORKS:
        if (fork() >= 0)
            break;
        return 1;
    }
    for (;;)
        pause();
}

static struct forkcall_report end(enum way way, struct forkcall_options options)
{
    return run_tested(child_hangs_so, &way, sizeof way, NULL, &options);
}

/* Ends a call by a timeout, which is longer each time until the call has told what it can: on a
 * busy machine a child may come to its function too late, or answer too late. */
static struct forkcall_report end_until(enum way way, struct forkcall_options options,
                                        bool (*is_told)(const struct forkcall_report *))
{
    struct forkcall_report report;
    for (options.timeout_ms = 30;; options.timeout_ms *= 2) {
        report = end(way, options);
        assert_status(report, FORKCALL_TIMED_OUT);
        assert_int_equal(report.crash.signal, 0);
        assert_int_equal(report.crash.address, 0);
        if (is_told(&report) || options.timeout_ms > 5000 * time_factor())
            return report;
    }
}

/* Beside other threads, which a tool may have begun, forkcall_explain alone tells them. */
static bool has_frames(const struct forkcall_report *report)
{
    char text[8192];
    forkcall_explain(report, text, sizeof text);
    return strstr(text, "\n  #0 ") != NULL;
}

static bool has_begun(const struct forkcall_report *report)
{
    return strstr(report->message, "there") != NULL;
}

/* The function says that it has begun before it becomes one that cannot answer, so on a busy
 * machine it may be asked in between. */
static bool has_begun_and_is_silent(const struct forkcall_report *report)
{
    return has_begun(report) && !has_frames(report);
}

/* No handler runs in time, or knows the processor. */
static bool can_tell(void)
{
    if (!under_valgrind() && !under_emulator())
        return true;
    print_message("skipped: a tool or an emulator has signals of its own\n");
    return false;
}

static void timeout_tells_the_calls_of_the_function(void **state)
{
    (void)state;
    if (!can_tell())
        return;
    for (enum way way = SLEEPS; way <= SPINS; way++) {
        const struct forkcall_report report = end_until(way, (struct forkcall_options){0}, has_frames);
        assert_true(has_frames(&report));
        assert_int_equal(report.crash.frames[0], report.crash.program_counter);
        assert_true(report.crash.thread == 0 || report.crash.thread == report.pid);
        assert_true(WIFSIGNALED(report.wait_status) && WTERMSIG(report.wait_status) == SIGKILL);
    }
}

static int cancel(void *user, double done, double total, const char *note)
{
    (void)user;
    (void)done;
    (void)total;
    (void)note;
    return 1;
}

static void cancel_tells_the_calls_of_the_function(void **state)
{
    (void)state;
    struct forkcall_report report = {.status = FORKCALL_OK};
    if (!can_tell())
        return;
    for (int tries = 0; tries < 50 && !has_frames(&report); tries++) {
        report = end(SLEEPS, (struct forkcall_options){.progress = cancel});
        assert_status(report, FORKCALL_CANCELED);
    }
    assert_true(has_frames(&report));
    assert_int_equal(report.crash.signal, 0);
}

static bool knows_two_threads(const struct forkcall_report *report)
{
    return report->crash.thread_count == 2;
}

static void threads_of_the_child_are_counted(void **state)
{
    (void)state;
    if (!can_tell())
        return;
    const struct forkcall_report report = end_until(IN_THREAD, (struct forkcall_options){0}, knows_two_threads);
    char text[4096];
    if (access("/proc/self/status", R_OK) != 0)
        SKIP("there is no /proc");
    assert_int_equal(report.crash.thread_count, 2);
    forkcall_explain(&report, text, sizeof text);
    assert_non_null(strstr(text, "The child had 2 threads."));
}

static void child_that_does_not_answer_is_ended_all_the_same(void **state)
{
    (void)state;
    for (enum way way = CLOSES_REPLY; way <= FORKS; way++) {
        const struct forkcall_report report =
            end_until(way, (struct forkcall_options){0}, way == FORKS ? has_begun : has_begun_and_is_silent);
        assert_true(has_begun(&report));
        assert_true(way == FORKS || !has_frames(&report));
        if (report.wait_status != -1)
            assert_true(WIFSIGNALED(report.wait_status) && WTERMSIG(report.wait_status) == SIGKILL);
    }
}

static bool says_it_was_stopped(const struct forkcall_report *report)
{
    return strstr(report->message, "there, it was stopped") != NULL;
}

static void stopped_child_is_told_as_such(void **state)
{
    (void)state;
    if (access("/proc/self/status", R_OK) != 0 || under_emulator())
        SKIP("nothing here tells that a process is stopped");
    const struct forkcall_report report = end_until(STOPS, (struct forkcall_options){0}, says_it_was_stopped);
    assert_true(says_it_was_stopped(&report));
}

/* While a call waits for its child to answer, other calls go on. */
static void wait_does_not_wait_for_the_answer(void **state)
{
    (void)state;
    const enum way way = CLOSES_REPLY;
    struct forkcall_options options = {.timeout_ms = 30};
    bool seen = false;
    if (under_emulator())
        SKIP("an emulator may not send signals with a value");
    for (; options.timeout_ms < 5000 && !seen; options.timeout_ms *= 2) {
        struct forkcall_call *call;
        assert_int_equal(start_tested(&call, child_hangs_so, &way, sizeof way, NULL, &options), 0);
        struct pollfd ready = {.fd = forkcall_fd(call), .events = POLLIN};
        while (forkcall_wait(call, 0) == 0) {
            seen |= call->stage == FC_STAGE_ASKED;
            if (ready.fd >= 0)
                assert_int_equal(poll(&ready, 1, DEADLINE_S * 1000), 1);
        }
        const struct forkcall_report report = forkcall_finish(call);
        assert_int_not_equal(report.status, FORKCALL_OK);
    }
    assert_true(seen);
}

/* The function must not go on after a sleep that was cut short. */
static int child_sleeps_once(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    forkcall_progress(1, 1, "there");
    poll(NULL, 0, 100000);
    return forkcall_buf_append(result, "woken", 5);
}

static void question_does_not_wake_the_function(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_options options = {.timeout_ms = 20 + i * 3};
        const struct forkcall_report report = run_tested(child_sleeps_once, NULL, 0, &result, &options);
        assert_status(report, FORKCALL_TIMED_OUT);
        assert_int_equal(result.size, 0);
        forkcall_buf_free(&result);
    }
}

static int child_is_woken_by_the_question(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct sigaction action = {.sa_handler = own_handler};
    (void)args;
    (void)args_size;
    sigaction(SIGURG, &action, NULL);
    poll(NULL, 0, 100000);
    return forkcall_buf_append(result, "woken", 5);
}

static void what_the_question_makes_a_function_return_is_no_answer(void **state)
{
    const struct forkcall_options options = {.timeout_ms = 50};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report = run_tested(child_is_woken_by_the_question, NULL, 0, &result, &options);
        assert_status(report, FORKCALL_TIMED_OUT);
        assert_int_equal(result.size, 0);
        forkcall_buf_free(&result);
    }
}

/* Within the grace the function may still answer, so it must not notice anything but SIGTERM. */
static int child_ignores_SIGTERM_and_sleeps(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)args;
    (void)args_size;
    sigaction(SIGTERM, &ignore, NULL);
    forkcall_progress(1, 1, "there");
    const int r = poll(NULL, 0, 150);
    return r == 0 ? forkcall_buf_append(result, "slept", 5) : errno;
}

static void function_is_not_asked_as_long_as_it_may_answer(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.progress = cancel, .grace_ms = DEADLINE_S * 1000};
    const struct forkcall_report report = run_tested(child_ignores_SIGTERM_and_sleeps, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, 5);
    forkcall_buf_free(&result);
}

static int child_ignores_SIGTERM(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &ignore, NULL);
    return child_hangs_so(args, args_size, result);
}

static void function_that_outlives_the_grace_tells_where_it_is(void **state)
{
    (void)state;
    const enum way way = SLEEPS;
    struct forkcall_report report = {.status = FORKCALL_OK};
    if (!can_tell())
        return;
    for (int ms = 20; !has_frames(&report) && ms < 5000 * time_factor(); ms *= 2) {
        const struct forkcall_options options = {.timeout_ms = ms, .grace_ms = ms};
        report = run_tested(child_ignores_SIGTERM, &way, sizeof way, NULL, &options);
        assert_status(report, FORKCALL_TIMED_OUT);
    }
    assert_true(has_frames(&report));
}

/* Urgent data, and what others send, are nothing that the child answers. */
static int child_gets_the_signal_from_elsewhere(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    errno = 77;
    for (int i = 0; i < 100; i++)
        kill(getpid(), FC_WHERE_SIGNAL);
#ifdef HAVE_SIGQUEUE
    for (int i = 0; i < 100; i++)
        sigqueue(getpid(), FC_WHERE_SIGNAL, (union sigval){.sival_int = i});
#endif
    return errno == 77 ? forkcall_buf_append(result, "done", 4) : 1;
}

static void signal_of_others_is_as_good_as_ignored(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
#ifndef HAVE_SIGQUEUE
    SKIP("the system does not tell who sent a signal");
#endif
    const struct forkcall_report report = run_tested(child_gets_the_signal_from_elsewhere, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, 4);
    forkcall_buf_free(&result);
}

/* Nothing is read at the deadline, because a thread may hold a lock that this takes. */
static int host_has_a_thread(void *unused)
{
    pthread_t thread;
    char text[8192], again[8192];
    int others = 0;
    (void)unused;
    CHECK(pthread_create(&thread, NULL, sleep_in_a_thread, NULL) == 0);
    const struct forkcall_options options = {.timeout_ms = 30, .allow_unsafe_fork = true};
    struct forkcall_report report = end_until(SPINS, options, has_frames);
    CHECK(has_frames(&report) && report.crash.frame_count == 0 && report.crash.program_counter == 0);
    forkcall_explain(&report, text, sizeof text);
    CHECK(strstr(text, ", in ") != NULL && strstr(text, "child_hangs_so") != NULL);
    for (; others < 200 && has_frames(&report); others++) {
        forkcall_explain(&report, again, sizeof again);
        CHECK(strcmp(text, again) == 0);
        CHECK(end_until(SPINS, options, has_frames).status == FORKCALL_TIMED_OUT);
    }
    CHECK(others >= 4 && others < 200);
    report.crash.thread = 1;
    forkcall_explain(&report, text, sizeof text);
    CHECK(strstr(text, "These are the calls") == NULL);
    return 0;
}

static void place_beside_other_threads_is_told_by_explain_for_the_last_four_calls(void **state)
{
    (void)state;
    if (can_tell())
        assert_int_equal(host_run(host_has_a_thread, NULL), 0);
}

static volatile sig_atomic_t host_got;

static void note_signal(int signal)
{
    (void)signal;
    host_got++;
}

static int host_handles_the_signal(void *unused)
{
    const struct sigaction action = {.sa_handler = note_signal};
    struct sigaction now;
    (void)unused;
    sigaction(FC_WHERE_SIGNAL, &action, NULL);
    for (int i = 0; i < 3; i++) {
        const struct forkcall_report report = end(SLEEPS, (struct forkcall_options){.timeout_ms = 30});
        CHECK(report.status == FORKCALL_TIMED_OUT);
    }
    CHECK(host_got == 0);
    CHECK(sigaction(FC_WHERE_SIGNAL, NULL, &now) == 0 && now.sa_handler == note_signal);
    return 0;
}

static void handler_of_the_host_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_handles_the_signal, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timeout_tells_the_calls_of_the_function),
        cmocka_unit_test(cancel_tells_the_calls_of_the_function),
        cmocka_unit_test(threads_of_the_child_are_counted),
        cmocka_unit_test(child_that_does_not_answer_is_ended_all_the_same),
        cmocka_unit_test(stopped_child_is_told_as_such),
        cmocka_unit_test(wait_does_not_wait_for_the_answer),
        cmocka_unit_test(question_does_not_wake_the_function),
        cmocka_unit_test(what_the_question_makes_a_function_return_is_no_answer),
        cmocka_unit_test(function_is_not_asked_as_long_as_it_may_answer),
        cmocka_unit_test(function_that_outlives_the_grace_tells_where_it_is),
        cmocka_unit_test(signal_of_others_is_as_good_as_ignored),
        cmocka_unit_test(place_beside_other_threads_is_told_by_explain_for_the_last_four_calls),
        cmocka_unit_test(handler_of_the_host_is_left_alone),
    };
    return cmocka_run_group_tests_name("where", tests, NULL, NULL);
}
