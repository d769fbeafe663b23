/* Tests a host in the foreground of a real terminal. Its child has a process group of its own, and
 * so is in the background.
 *
 * SPDX-License-Identifier: MIT */
#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define TIMEOUT_MS (DEADLINE_S * 1000 / 2)
#define CTRL_C "\x03"
#define CTRL_Z "\x1a"

/* What host, child and user note in shared_memory(). */
struct evidence {
    atomic_int child;       /* pid, as soon as the child waits */
    atomic_int host_signal; /* the last signal that the host's handler has got */
    atomic_int go_on;
};

static struct evidence *evidence(void)
{
    return shared_memory();
}

static bool child_is_stopped(void *unused)
{
    (void)unused;
    return process_state(evidence()->child) == 'T';
}

/* ---- A session ------------------------------------------------------------------------------- */

/* What happens at the terminal: host runs in the foreground, and user is at the keyboard. Both
 * return 42 for success. */
struct scene {
    int (*host)(void);
    int (*user)(int keyboard, pid_t host_group);
};

static bool is_in_foreground(void *unused)
{
    (void)unused;
    return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static int status_of(pid_t pid)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* Leads the session, as a shell does. The host is a job of this leader. So the host's group is not
 * orphaned and can be stopped. */
_Noreturn static void lead_session(const char *name, const struct scene *scene, int to_user)
{
    const int messages = dup(STDERR_FILENO);
    if (setsid() < 0)
        _exit(1);
    const int terminal = open(name, O_RDWR);
    if (terminal < 0 || ioctl(terminal, TIOCSCTTY, 0) < 0)
        _exit(NOT_HERE);
    for (int fd = 0; fd < 2; fd++)
        dup2(terminal, fd);
    const pid_t host = fork();
    if (host == 0) {
        setpgid(0, 0);
        dup2(messages, STDERR_FILENO);
        _exit(wait_until(is_in_foreground, NULL) ? scene->host() : 1);
    }
    setpgid(host, host);
    if (tcsetpgrp(terminal, host) < 0 || write(to_user, &host, sizeof host) != sizeof host)
        _exit(1);
    _exit(status_of(host));
}

static int run_scene(void *context)
{
    const struct scene *scene = context;
    int from_leader[2];
    pid_t group;
    const int keyboard = posix_openpt(O_RDWR | O_NOCTTY);
    if (keyboard < 0 || grantpt(keyboard) < 0 || unlockpt(keyboard) < 0)
        return NOT_HERE;
    const char *name = ptsname(keyboard); // NOLINT(concurrency-mt-unsafe): one thread
    CHECK(name != NULL && pipe(from_leader) == 0);
    const pid_t leader = fork();
    if (leader == 0) {
        close(from_leader[0]);
        lead_session(name, scene, from_leader[1]);
    }
    close(from_leader[1]);
    if (read(from_leader[0], &group, sizeof group) != sizeof group)
        return status_of(leader);
    CHECK(scene->user(keyboard, group) == 42);
    const int status = status_of(leader);
    close(keyboard);
    return status;
}

static void run(const struct scene *scene, const char *name)
{
    const int r = host_run(run_scene, (void *)(uintptr_t)scene);
    if (r == NOT_HERE) {
        print_message("skipped %s: no terminal can be had here\n", name);
        skip();
    }
    assert_int_equal(r, 42);
}

static int nobody(int keyboard, pid_t host_group)
{
    (void)keyboard;
    (void)host_group;
    return 42;
}

static struct forkcall_report call(forkcall_fn *fn, bool share_group, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.timeout_ms = TIMEOUT_MS, .share_group = share_group};
    return run_tested(fn, NULL, 0, result, &options);
}

/* ---- Reading and writing --------------------------------------------------------------------- */

static int reads_a_line(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char line[64];
    (void)args;
    (void)args_size;
    evidence()->child = getpid();
    const ssize_t n = read(STDIN_FILENO, line, sizeof line);
    return n < 0 ? errno : forkcall_buf_append(result, line, (size_t)n);
}

static int host_whose_child_reads(void)
{
    const struct forkcall_report r = call(reads_a_line, false, NULL);
    CHECK(r.status == FORKCALL_FAILED && r.code == EIO);
    return 42;
}

static void reading_the_terminal_from_the_childs_group_is_EIO_and_no_stop(void **state)
{
    const struct scene scene = {host_whose_child_reads, nobody};
    (void)state;
    run(&scene, __func__);
}

static int host_whose_child_shares_its_group_and_reads(void)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report r = call(reads_a_line, true, &result);
    CHECK(r.status == FORKCALL_OK && result.size == 6 && memcmp(result.data, "typed\n", 6) == 0);
    forkcall_buf_free(&result);
    return 42;
}

static int user_who_types_a_line(int keyboard, pid_t host_group)
{
    (void)host_group;
    CHECK(wait_until(is_set, &evidence()->child));
    CHECK(write(keyboard, "typed\n", 6) == 6);
    return 42;
}

static void child_that_shares_the_group_reads_the_terminal(void **state)
{
    const struct scene scene = {host_whose_child_shares_its_group_and_reads, user_who_types_a_line};
    (void)state;
    run(&scene, __func__);
}

static int writes_and_sets(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct termios settings;
    (void)args;
    (void)args_size;
    (void)result;
    if (write(STDOUT_FILENO, "written\n", 8) != 8)
        return errno;
    return tcgetattr(STDOUT_FILENO, &settings) == 0 && tcsetattr(STDOUT_FILENO, TCSANOW, &settings) == 0 ? 0 : errno;
}

static int host_whose_terminal_stops_writers(void)
{
    struct termios settings;
    CHECK(tcgetattr(STDOUT_FILENO, &settings) == 0);
    settings.c_lflag |= TOSTOP;
    CHECK(tcsetattr(STDOUT_FILENO, TCSANOW, &settings) == 0);
    const struct forkcall_report r = call(writes_and_sets, false, NULL);
    CHECK(r.status == FORKCALL_OK);
    return 42;
}

static void writing_to_a_terminal_that_stops_background_writers(void **state)
{
    const struct scene scene = {host_whose_terminal_stops_writers, nobody};
    (void)state;
    run(&scene, __func__);
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static void note_signal(int signal)
{
    evidence()->host_signal = signal;
}

/* Answers when the key has reached the host, and therefore has had its effect on the child, too. */
static int answers_after_the_key(const void *args, size_t args_size, struct forkcall_buf *result)
{
    evidence()->child = getpid();
    return wait_until(is_set, &evidence()->host_signal) ? child_answers_42(args, args_size, result) : 1;
}

static int host_of_a_child_in_its_own_group(void)
{
    signal(SIGINT, note_signal);
    signal(SIGTSTP, note_signal);
    const struct forkcall_report r = call(answers_after_the_key, false, NULL);
    CHECK(r.status == FORKCALL_OK);
    return 42;
}

static int user_who_interrupts(int keyboard, pid_t host_group)
{
    (void)host_group;
    CHECK(wait_until(is_set, &evidence()->child));
    CHECK(write(keyboard, CTRL_C, 1) == 1);
    CHECK(wait_until(is_set, &evidence()->host_signal) && evidence()->host_signal == SIGINT);
    return 42;
}

static int user_who_stops(int keyboard, pid_t host_group)
{
    (void)host_group;
    CHECK(wait_until(is_set, &evidence()->child));
    CHECK(write(keyboard, CTRL_Z, 1) == 1);
    CHECK(wait_until(is_set, &evidence()->host_signal) && evidence()->host_signal == SIGTSTP);
    return 42;
}

static void Ctrl_C_is_for_the_host_and_not_for_the_child(void **state)
{
    const struct scene scene = {host_of_a_child_in_its_own_group, user_who_interrupts};
    (void)state;
    run(&scene, __func__);
}

static void Ctrl_Z_is_for_the_host_and_not_for_the_child(void **state)
{
    const struct scene scene = {host_of_a_child_in_its_own_group, user_who_stops};
    (void)state;
    run(&scene, __func__);
}

static int hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    evidence()->child = getpid();
    return child_hangs(args, args_size, result);
}

static int host_that_is_interrupted_with_its_child(void)
{
    signal(SIGINT, note_signal);
    const struct forkcall_report r = call(hangs, true, NULL);
    CHECK(r.status == FORKCALL_SIGNALED && r.code == SIGINT);
    return 42;
}

static void Ctrl_C_reaches_a_child_that_shares_the_group(void **state)
{
    const struct scene scene = {host_that_is_interrupted_with_its_child, user_who_interrupts};
    (void)state;
    run(&scene, __func__);
}

static int answers_when_it_may(const void *args, size_t args_size, struct forkcall_buf *result)
{
    evidence()->child = getpid();
    return wait_until(is_set, &evidence()->go_on) ? child_answers_42(args, args_size, result) : 1;
}

static int host_that_is_stopped_with_its_child(void)
{
    const struct forkcall_report r = call(answers_when_it_may, true, NULL);
    CHECK(r.status == FORKCALL_OK);
    return 42;
}

/* Does what "fg" of a shell does. */
static int user_who_stops_and_continues(int keyboard, pid_t host_group)
{
    CHECK(wait_until(is_set, &evidence()->child));
    CHECK(write(keyboard, CTRL_Z, 1) == 1);
    CHECK(wait_until(child_is_stopped, NULL));
    evidence()->go_on = 1;
    CHECK(kill(-host_group, SIGCONT) == 0);
    return 42;
}

static void Ctrl_Z_stops_a_child_that_shares_the_group_and_fg_continues_it(void **state)
{
    const struct scene scene = {host_that_is_stopped_with_its_child, user_who_stops_and_continues};
    (void)state;
    run(&scene, __func__);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(reading_the_terminal_from_the_childs_group_is_EIO_and_no_stop),
        TEST(child_that_shares_the_group_reads_the_terminal),
        TEST(writing_to_a_terminal_that_stops_background_writers),
        TEST(Ctrl_C_is_for_the_host_and_not_for_the_child),
        TEST(Ctrl_Z_is_for_the_host_and_not_for_the_child),
        TEST(Ctrl_C_reaches_a_child_that_shares_the_group),
        TEST(Ctrl_Z_stops_a_child_that_shares_the_group_and_fg_continues_it),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
