/* Tests SIGIO in a child that notices its caller's end by a handler of that signal. The test runs
 * with signals.c preloaded: SIGIO is ignored by default. */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS 64

/* args: where the child writes its pid. */
static int meets_sigio_and_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int fd = *(const int *)args;
    const pid_t self = getpid();
    for (int i = 0; i < 3; i++)
        raise(SIGIO);
    if (write(fd, &self, sizeof self) != (ssize_t)sizeof self)
        return 1;
    return child_hangs(args, args_size, result);
}

static int call_that_hangs(int fd)
{
    const int kept[] = {fd};
    const struct forkcall_options options = {.keep_fds = kept, .keep_fds_count = 1};
    run_tested(meets_sigio_and_hangs, &fd, sizeof fd, NULL, &options);
    return 1; /* not reached */
}

static void child_that_met_a_stray_SIGIO_still_ends_with_its_caller(void **state)
{
    int ends[2], child = 0;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t host = fork();
    if (host == 0)
        _exit(call_that_hangs(ends[1]));
    close(ends[1]);
    const ssize_t n = read(ends[0], &child, sizeof child);
    const bool lived = n == (ssize_t)sizeof child && process_lives(child);
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
    const bool gone = n == (ssize_t)sizeof child && wait_until(process_is_gone, &child);
    close(ends[0]);
    if (lived && !gone)
        kill(child, SIGKILL);
    assert_true(lived);
    assert_true(gone);
}

/* Replaces the descriptors that raise SIGIO by ends of closed pipes. Returns how many there
 * were. */
static int replace_what_signals(void)
{
    int count = 0;
    for (int fd = 3; fd < DESCRIPTORS; fd++) {
        int ends[2];
        const int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || (flags & O_ASYNC) == 0)
            continue;
        if (pipe(ends) < 0 || dup2(ends[0], fd) < 0)
            return -1;
        close(ends[0]);
        close(ends[1]);
        count++;
    }
    return count;
}

static int puts_a_pipe_of_its_own_in_place(const void *args, size_t args_size, struct forkcall_buf *result)
{
    if (replace_what_signals() != 1)
        return 1;
    raise(SIGIO);
    return child_answers_42(args, args_size, result);
}

static void end_of_a_pipe_of_the_function_is_not_the_end_of_the_caller(void **state)
{
    (void)state;
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_report report = run_tested(puts_a_pipe_of_its_own_in_place, NULL, 0, &result, NULL);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(answer, 42);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_that_met_a_stray_SIGIO_still_ends_with_its_caller),
        cmocka_unit_test(end_of_a_pipe_of_the_function_is_not_the_end_of_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
