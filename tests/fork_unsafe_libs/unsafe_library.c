/* Tests a library that does not survive a fork, by each method. */
#include "unsafe_library.h"

#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A call that does not answer in this time hangs. Used only where a hang is expected. */
#define HANG_MS 600
/* Time for the threads of a used library to come to rest, after which they wait for ever. */
#define REST_MS 60

static const struct unsafe_library *library;
static enum forkcall_method method;

static void sleep_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};
    nanosleep(&pause, NULL);
}

static struct forkcall_report call(const struct forkcall_options *options, int *answer)
{
    struct forkcall_buf result = forkcall_buf_fixed(answer, sizeof *answer);
    *answer = 0;
    return forkcall_run(library->use, NULL, 0, &result, options);
}

/* 0: the call has given the right answer. 1: it has not, and the reason is printed. */
static int answers(const struct forkcall_options *options)
{
    char text[2048];
    int answer;
    const struct forkcall_report report = call(options, &answer);
    /* After forkcall_init(), AUTO means any method but FORK. */
    const bool by_method =
        options->method == FORKCALL_AUTO ? report.method != FORKCALL_FORK : report.method == options->method;
    if (report.status == FORKCALL_OK && answer == library->answer && by_method && report.hints == 0)
        return 0;
    forkcall_explain(&report, text, sizeof text);
    fprintf(stderr, "%s: method %d: answer %d instead of %d: %s\n", library->name, (int)report.method, answer,
            library->answer, text);
    return 1;
}

static int answers_here(void)
{
    const struct forkcall_options here = {.method = FORKCALL_INLINE};
    return answers(&here);
}

static int answers_by_method(void)
{
    const struct forkcall_options options = {.method = method, .timeout_ms = PLENTY_MS};
    return answers(&options);
}

static int use_here(void)
{
    const int r = library->dirty != NULL ? library->dirty() : answers_here();
    sleep_ms(REST_MS);
    return r;
}

static int settle(void)
{
    return library->settle != NULL ? library->settle() : 0;
}

/* ---- Controls -------------------------------------------------------------------------------- */

static int control_here(void *unused)
{
    (void)unused;
    CHECK(answers_here() == 0);
    CHECK(use_here() == 0);
    CHECK(settle() == 0);
    CHECK(answers_here() == 0);
    return 0;
}

static void used_twice_in_one_process(void **state)
{
    (void)state;
    assert_int_equal(host_run(control_here, NULL), 0);
}

static int use_in_plain_child(void)
{
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    return library->use(NULL, 0, &result) == 0 && answer == library->answer ? 0 : 1;
}

/* True: this version of the library works in a child of a plain fork(2). */
static bool survives_plain_fork(int wait_ms)
{
    int status = -1;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(use_in_plain_child());
    pid_t ended = 0;
    for (int ms = 0; pid > 0 && ended == 0 && ms < wait_ms; ms++) {
        ended = waitpid(pid, &status, WNOHANG);
        sleep_ms(1);
    }
    if (ended == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- FORK ------------------------------------------------------------------------------------ */

/* Only children use the library. */
static int fork_while_unused(void *unused)
{
    (void)unused;
    CHECK(answers_by_method() == 0);
    CHECK(answers_by_method() == 0);
    return 0;
}

static void FORK_before_the_caller_has_used_it(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_while_unused, NULL), 0);
}

static int check_failure(const struct forkcall_report *report)
{
    char text[4096];
    CHECK(forkcall_explain(report, text, sizeof text) > 0);
    print_message("%s: %s\n", library->name, text);
    CHECK(report->method == FORKCALL_FORK);
    CHECK(report->status == library->status);
    CHECK(report->ran == FORKCALL_RAN_YES);
    CHECK(report->code == library->code);
    CHECK((report->crash.flags & library->crash_flags) == library->crash_flags);
    CHECK(((report->hazards & FORKCALL_HAZARD_THREADS) != 0) == library->has_threads || under_sanitizer());
    CHECK((strstr(text, "Other threads") != NULL) == library->has_threads || report->status == FORKCALL_FAILED ||
          under_sanitizer());
    CHECK((report->hazards & FORKCALL_HAZARD_LIBRARY) != 0 || !library->is_listed);
    return 0;
}

static int fork_after_use(void *unused)
{
    const struct forkcall_options careful = {.method = FORKCALL_FORK, .timeout_ms = HANG_MS};
    const struct forkcall_options careless = {
        .method = FORKCALL_FORK, .timeout_ms = HANG_MS, .allow_unsafe_fork = true};
    struct forkcall_report report;
    int answer;
    (void)unused;
    CHECK(use_here() == 0);
    if (survives_plain_fork(HANG_MS))
        return NOT_HERE; /* the library survives a fork */
    CHECK(settle() == 0);

    CHECK(use_here() == 0);
    CHECK((forkcall_hazards() & FORKCALL_HAZARD_LIBRARY) != 0 || !library->is_listed);
    report = call(&careful, &answer);
    if (library->has_threads) {
        CHECK(report.status == FORKCALL_UNSAFE && report.ran == FORKCALL_RAN_NO && report.pid == 0);
        CHECK((report.hazards & FORKCALL_HAZARD_LIBRARY) != 0 || !library->is_listed);
        CHECK((report.hazards & FORKCALL_HAZARD_THREADS) != 0 && strstr(report.message, "threads") != NULL);
    } else {
        CHECK(check_failure(&report) == 0);
    }
    CHECK(settle() == 0);

    CHECK(use_here() == 0);
    report = call(&careless, &answer);
    CHECK(check_failure(&report) == 0);
    CHECK(settle() == 0);
    CHECK(answers_here() == 0); /* the caller can still use the library */
    return 0;
}

static void FORK_after_the_caller_has_used_it_fails_and_says_so(void **state)
{
    (void)state;
    const int r = host_run(fork_after_use, NULL);
    if (r == NOT_HERE)
        SKIP("the library survives a plain fork here");
    assert_int_equal(r, 0);
}

/* Such a library is refused beside its threads, as any is, and works where that is allowed. */
static int fork_of_a_survivor(void *unused)
{
    const struct forkcall_options careful = {.method = FORKCALL_FORK, .timeout_ms = PLENTY_MS};
    const struct forkcall_options careless = {
        .method = FORKCALL_FORK, .timeout_ms = PLENTY_MS, .allow_unsafe_fork = true};
    int answer;
    (void)unused;
    CHECK(use_here() == 0);
    CHECK(survives_plain_fork(PLENTY_MS));
    CHECK((forkcall_hazards() & FORKCALL_HAZARD_LIBRARY) != 0 || !library->is_listed);
    if (library->has_threads)
        CHECK(call(&careful, &answer).status == FORKCALL_UNSAFE);
    else
        CHECK(answers(&careful) == 0);
    CHECK(answers(&careless) == 0);
    CHECK(answers_here() == 0);
    return 0;
}

static void a_plain_fork_and_FORK_work_after_the_caller_has_used_it(void **state)
{
    (void)state;
    assert_int_equal(host_run(fork_of_a_survivor, NULL), 0);
}

/* ---- By SERVER and SPAWN --------------------------------------------------------------------- */

static int start_before_use(void *unused)
{
    (void)unused;
    CHECK(answers_by_method() == 0);
    CHECK(use_here() == 0);
    CHECK(answers_by_method() == 0);
    CHECK(answers_by_method() == 0);
    return settle();
}

static int start_after_use(void *unused)
{
    const struct forkcall_options defaults = {.method = FORKCALL_AUTO};
    (void)unused;
    CHECK(use_here() == 0);
    CHECK(answers_by_method() == 0);
    CHECK(answers_by_method() == 0);
    if (method == FORKCALL_SERVER) /* the default options then choose SERVER */
        CHECK(answers(&defaults) == 0);
    CHECK(settle() == 0);
    CHECK(answers_here() == 0);
    return 0;
}

static void first_called_before_the_caller_has_used_it(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("qemu-user cannot start the program once more");
    assert_int_equal(host_run(start_before_use, NULL), 0);
}

static void first_called_after_the_caller_has_used_it(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("qemu-user cannot start the program once more");
    assert_int_equal(host_run(start_after_use, NULL), 0);
}

/* ---- The program ----------------------------------------------------------------------------- */

int unsafe_library_main(const struct unsafe_library *unsafe)
{
    const struct CMUnitTest with_fork[] = {
        cmocka_unit_test(used_twice_in_one_process),
        cmocka_unit_test(FORK_before_the_caller_has_used_it),
        cmocka_unit_test(FORK_after_the_caller_has_used_it_fails_and_says_so),
    };
    const struct CMUnitTest with_survivor[] = {
        cmocka_unit_test(used_twice_in_one_process),
        cmocka_unit_test(FORK_before_the_caller_has_used_it),
        cmocka_unit_test(a_plain_fork_and_FORK_work_after_the_caller_has_used_it),
    };
    const struct CMUnitTest with_cure[] = {
        cmocka_unit_test(used_twice_in_one_process),
        cmocka_unit_test(first_called_before_the_caller_has_used_it),
        cmocka_unit_test(first_called_after_the_caller_has_used_it),
    };
    library = unsafe;
    method = tested_method();
    if (method == FORKCALL_FORK && library->survives)
        return cmocka_run_group_tests(with_survivor, NULL, NULL);
    if (method == FORKCALL_FORK)
        return cmocka_run_group_tests(with_fork, NULL, NULL);
    return cmocka_run_group_tests(with_cure, NULL, NULL);
}
