/* Tests hosts that get very many signals. */
#include "outcomes.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define CALLS 200

static volatile sig_atomic_t storms;

static void count(int signal)
{
    (void)signal;
    storms++;
}

static int write_some(void *user, int fd, const char *data, size_t size)
{
    (void)fd;
    (void)data;
    *(size_t *)user += size;
    return 0;
}

static int child_writes_and_answers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char text[8192];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 4; i++)
        if (write(STDOUT_FILENO, text, sizeof text) != (ssize_t)sizeof text)
            return 1;
    return child_answers_42(args, args_size, result);
}

static int call_and_capture(void)
{
    size_t written = 0;
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_options options = {
        .standard_output = FORKCALL_STREAM_CAPTURE, .output = write_some, .user = &written};
    const struct forkcall_report report = run_tested(child_writes_and_answers, NULL, 0, &result, &options);
    CHECK(report.status == FORKCALL_OK && answer == 42 && written == sizeof(char[4][8192]));
    return 0;
}

/* Interrupts the calls by a handler without SA_RESTART and a timer of 50 µs to 1 ms. */
static int call_in_a_storm(void *unused)
{
    static const int periods_us[] = {50, 100, 300, 1000};
    struct surroundings around = {.async = false};
    struct sigaction action;
    struct forkcall_report report;
    (void)unused;
    memset(&action, 0, sizeof action);
    action.sa_handler = count;
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < CALLS; i++) {
        const struct itimerval timer = {{0, periods_us[i % 4]}, {0, periods_us[i % 4]}};
        setitimer(ITIMER_REAL, &timer, NULL);
        around.async = i % 3 == 0;
        CHECK(i % 2 != 0 || check_results(&around) == 0);
        CHECK(i % 5 != 0 || call_and_capture() == 0);
        report = run_tested(child_fails_7, NULL, 0, NULL, NULL);
        CHECK(report.status == FORKCALL_FAILED && report.code == 7);
    }
    const struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &off, NULL);
    CHECK(storms > CALLS);
    return 0;
}

static void storm_of_signals_without_SA_RESTART(void **state)
{
    (void)state;
    assert_int_equal(host_run(call_in_a_storm, NULL), 0);
}

/* ---- Handlers -------------------------------------------------------------------------------- */

static volatile sig_atomic_t handled_by;

static void note_process(int signal)
{
    (void)signal;
    handled_by = (sig_atomic_t)getpid();
}

static int child_raises_SIGUSR1(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    raise(SIGUSR1);
    return handled_by != 0 ? 2 : 3;
}

/* The host's handler is the host's code: it never runs in the child, where SIGUSR1 kills as by
 * default. */
static int raise_in_child(void *unused)
{
    (void)unused;
    signal(SIGUSR1, note_process);
    const struct forkcall_report report = run_tested(child_raises_SIGUSR1, NULL, 0, NULL, NULL);
    CHECK(report.status == FORKCALL_SIGNALED && report.code == SIGUSR1);
    CHECK(handled_by == 0);
    raise(SIGUSR1);
    CHECK(handled_by == (sig_atomic_t)getpid());
    return 0;
}

static void handler_of_the_host_does_not_run_in_the_child(void **state)
{
    (void)state;
    assert_int_equal(host_run(raise_in_child, NULL), 0);
}

static pid_t host;
static volatile sig_atomic_t *handled_in_children; /* shared with the children */
static volatile bool raise_in_fork;

static void count_in_children(int signal)
{
    (void)signal;
    if (forkcall_in_child() || getpid() != host)
        ++*handled_in_children;
}

static void raise_early(void)
{
    if (raise_in_fork)
        raise(SIGURG);
}

/* The signal arrives before the child could remove the host's handlers. The default of SIGURG is
 * to be ignored. */
static int raise_in_fork_handler(void *unused)
{
    (void)unused;
    host = getpid();
    handled_in_children =
        mmap(NULL, sizeof *handled_in_children, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(handled_in_children != MAP_FAILED);
    CHECK(pthread_atfork(NULL, NULL, raise_early) == 0);
    signal(SIGURG, count_in_children);
    raise_in_fork = true;
    const struct forkcall_options options = {.method = FORKCALL_FORK};
    const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, &options);
    raise_in_fork = false;
    CHECK(report.status == FORKCALL_OK);
    CHECK(*handled_in_children == 0);
    return 0;
}

static void signal_before_the_handlers_are_set_back(void **state)
{
    (void)state;
    if (!method_shares_memory())
        SKIP("the child never has the host's handlers");
    assert_int_equal(host_run(raise_in_fork_handler, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storm_of_signals_without_SA_RESTART),
        cmocka_unit_test(signal_before_the_handlers_are_set_back),
        cmocka_unit_test(handler_of_the_host_does_not_run_in_the_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
