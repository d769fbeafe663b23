/* Tests captured, null and inherited standard streams of the child. */
#include "captured.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_FPURGE_EXT
#include <stdio_ext.h>
#endif

static int child_writes_to_both(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    printf("by stdio, ");
    fflush(stdout);
    if (!write_text(1, "out") || !write_text(2, "err"))
        return 1;
    printf(" and unflushed");
    fprintf(stderr, "or so");
    return 0;
}

static void streams_separately_and_both(void **state)
{
    (void)state;
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int streams = OUT; streams <= (OUT | ERR); streams++) {
        struct heard heard = {.calls = 0};
        struct forkcall_options options = capture(streams, &heard);
        if ((streams & OUT) == 0)
            options.standard_output = FORKCALL_STREAM_NULL;
        if ((streams & ERR) == 0)
            options.standard_error = FORKCALL_STREAM_NULL;
        const struct forkcall_report report = run_tested(child_writes_to_both, NULL, 0, NULL, &options);
        assert_status(report, FORKCALL_OK);
        assert_heard(&heard.bytes[1], (streams & OUT) != 0 ? "by stdio, out and unflushed" : "");
        assert_heard(&heard.bytes[2], (streams & ERR) != 0 ? "error so" : "");
        forget(&heard);
    }
    assert_no_traces(before, false);
}

#define MIB ((size_t)1 << 20)

static int child_writes_1_MiB(const void *args, size_t args_size, struct forkcall_buf *result)
{
    unsigned char *bytes = malloc(MIB);
    (void)args;
    (void)args_size;
    if (bytes == NULL)
        return 1;
    for (size_t i = 0; i < MIB; i++)
        bytes[i] = byte_at(i);
    for (size_t at = 0; at < MIB;) {
        const ssize_t n = write(1, bytes + at, MIB - at < 5000 ? MIB - at : 5000);
        if (n < 0)
            return errno;
        at += (size_t)n;
    }
    free(bytes);
    return forkcall_buf_append(result, "answer", 6);
}

static void binary_output_of_1_MiB_with_a_slow_callback(void **state)
{
    (void)state;
    struct heard heard = {.slow = true};
    const struct forkcall_options options = capture(OUT, &heard);
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = run_tested(child_writes_1_MiB, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, 6);
    assert_int_equal(heard.bytes[1].size, MIB);
    for (size_t i = 0; i < MIB; i++)
        assert_int_equal(((unsigned char *)heard.bytes[1].data)[i], byte_at(i));
    forget(&heard);
    forkcall_buf_free(&result);
}

/* ---- Lines, and the order of both streams ---------------------------------------------------- */

enum last { LAST_ABORTS, LAST_EXITS, LAST_HANGS, LASTS };

static int child_prints_lines(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    printf("first\n");
    for (const char *c = "second\n"; *c != '\0'; c++)
        putchar(*c);
    puts("third");
    if (*(const enum last *)args == LAST_ABORTS)
        abort();
    if (*(const enum last *)args == LAST_EXITS)
        _exit(3);
    return child_hangs(NULL, 0, NULL);
}

#define LINES "first\nsecond\nthird\n"

static int hear_all_lines(void *user, int fd, const char *data, size_t size)
{
    struct heard *heard = user;
    hear(user, fd, data, size);
    return heard->bytes[1].size >= strlen(LINES); /* cancels a child that hangs */
}

static void *wait_for_ever(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

/* The host has used its standard output, which is no terminal. *threaded: a second thread runs. */
static int host_that_prints(void *threaded)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    const int null = open("/dev/null", O_WRONLY);
    CHECK(null >= 0 && dup2(null, 1) == 1);
    printf("of the host's\n");
    fflush(stdout);
    printf("and unflushed");
    pthread_mutex_lock(&lock);
    CHECK(!*(bool *)threaded || pthread_create(&thread, NULL, wait_for_ever, &lock) == 0);
    for (int last = LAST_ABORTS; last < LASTS; last++) {
        static const enum forkcall_status expected[LASTS] = {FORKCALL_SIGNALED, FORKCALL_EXITED, FORKCALL_CANCELED};
        struct heard heard = {.calls = 0};
        struct forkcall_options options = capture(OUT, &heard);
        options.allow_unsafe_fork = true;
        if (last == LAST_HANGS)
            options.output = hear_all_lines;
        const struct forkcall_report report = run_tested(child_prints_lines, &last, sizeof last, NULL, &options);
        CHECK(report.status == expected[last]);
        CHECK(heard.bytes[1].size == strlen(LINES) && memcmp(heard.bytes[1].data, LINES, strlen(LINES)) == 0);
    }
    pthread_mutex_unlock(&lock);
    CHECK(!*(bool *)threaded || pthread_join(thread, NULL) == 0);
    return 42;
}

static void whole_lines_come_however_the_function_ends(void **state)
{
    (void)state;
    for (int threaded = 0; threaded < 2; threaded++)
        assert_int_equal(host_run(host_that_prints, &(bool){threaded != 0}), 42);
}

static int child_writes_in_turn(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (const char *c = "abcdefghijklmnopqrstuvwxyz"; *c != '\0'; c++)
        if (write(1 + *c % 2, c, 1) != 1)
            return 1;
    printf("out\n");
    fprintf(stderr, "err\n");
    printf("out\n");
    return forkcall_fail(5, "done");
}

static void joined_streams_come_in_the_order_of_writing(void **state)
{
    (void)state;
    const char all[] = "abcdefghijklmnopqrstuvwxyzout\nerr\nout\n";
    struct forkcall_buf details = FORKCALL_BUF_INIT;
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int i = 0; i < 10; i++) {
        struct heard heard = {.calls = 0};
        struct forkcall_options options = capture(OUT, &heard);
        options.standard_error = FORKCALL_STREAM_JOIN;
        options.details = &details;
        const struct forkcall_report report = run_tested(child_writes_in_turn, NULL, 0, NULL, &options);
        assert_status(report, FORKCALL_FAILED);
        assert_heard(&heard.bytes[1], all);
        assert_int_equal(heard.bytes[2].size, 0);
        forget(&heard);
        char text[100];
        snprintf(text, sizeof text, "done\n%s", all);
        assert_heard(&details, text);
    }
    assert_no_traces(before, false);
    forkcall_buf_free(&details);
}

/* ---- Descendants ----------------------------------------------------------------------------- */

struct speaker {
    bool waits;
    int left_behind; /* descriptor that gets the grandchild's pid, if the child does not wait */
};

static void flood(int begun)
{
    static const char much[32768];
    for (bool first = true;; first = false) {
        const ssize_t n = write(1, much, sizeof much);
        if (first && (n < 0 || write(begun, "x", 1) != 1))
            _exit(1);
    }
}

static int child_has_a_child_speak(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct speaker *speaker = args;
    int begun[2];
    char byte;
    (void)args_size;
    (void)result;
    if (pipe(begun) < 0)
        return 1;
    const pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        write_text(1, "grandchild");
        if (speaker->waits)
            _exit(0);
        /* The grandchild holds the pipe open and fills it until the test ends. */
        flood(begun[1]);
    }
    setpgid(pid, pid);
    if (speaker->waits)
        return waitpid(pid, NULL, 0) == pid ? 0 : 1;
    if (write(speaker->left_behind, &pid, sizeof pid) != sizeof pid)
        return 1;
    return read(begun[0], &byte, 1) == 1 ? 0 : 1;
}

static void output_of_a_grandchild(void **state)
{
    (void)state;
    const struct speaker speaker = {.waits = true};
    struct heard heard = {.calls = 0};
    const struct forkcall_options options = capture(OUT, &heard);
    const struct forkcall_report report = run_tested(child_has_a_child_speak, &speaker, sizeof speaker, NULL, &options);
    assert_status(report, FORKCALL_OK);
    assert_heard(&heard.bytes[1], "grandchild");
    forget(&heard);
}

static void grandchild_that_goes_on_writing_does_not_hold_the_call(void **state)
{
    (void)state;
    /* The callback is so slow that there is always more to read when it returns. */
    struct heard heard = {.slow = true};
    struct forkcall_options options = capture(OUT, &heard);
    pid_t pid = 0;
    int left_behind[2];
    assert_int_equal(pipe(left_behind), 0);
    const struct speaker speaker = {.left_behind = left_behind[1]};
    options.keep_fds = &left_behind[1];
    options.keep_fds_count = 1;
    const struct forkcall_report report = run_tested(child_has_a_child_speak, &speaker, sizeof speaker, NULL, &options);
    assert_int_equal(read(left_behind[0], &pid, sizeof pid), sizeof pid);
    /* The call has returned without waiting for the grandchild, which may have been killed by
     * SIGPIPE by now, because nothing reads from the pipe. */
    kill(pid, SIGKILL);
    assert_status(report, FORKCALL_OK);
    forget(&heard);
    close(left_behind[0]);
    close(left_behind[1]);
}

/* ---- Callbacks and the other kinds of stream ------------------------------------------------- */

static int child_writes_for_ever(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    while (write_text(1, "and on and on"))
        continue;
    return 1;
}

static void output_callback_that_cancels(void **state)
{
    (void)state;
    struct heard heard = {.cancel_at = 3};
    const struct forkcall_options options = capture(OUT, &heard);
    const struct forkcall_report report = run_tested(child_writes_for_ever, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_CANCELED);
    /* After a callback has returned non-zero, no callback is called. */
    assert_int_equal(heard.calls, 3);
    forget(&heard);
}

static int child_reads_and_writes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char byte;
    (void)args;
    (void)args_size;
    if (read(0, &byte, 1) != 0)
        return 1;
    if (!write_text(1, "nobody") || !write_text(2, "hears this"))
        return 2;
    return forkcall_buf_append(result, "answer", 6);
}

static int null_host(void *closed)
{
    const struct forkcall_options options = {.standard_input = FORKCALL_STREAM_NULL,
                                             .standard_output = FORKCALL_STREAM_NULL,
                                             .standard_error = FORKCALL_STREAM_NULL};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    int heard[2];
    int said[2];
    char byte;
    CHECK(pipe(heard) == 0 && pipe(said) == 0);
    CHECK(write(heard[1], "x", 1) == 1);
    if (*(const bool *)closed) {
        close(0);
        close(1);
    } else {
        CHECK(dup2(heard[0], 0) == 0 && dup2(said[1], 1) == 1);
    }
    const struct forkcall_report report = run_tested(child_reads_and_writes, NULL, 0, &result, &options);
    CHECK(report.status == FORKCALL_OK && result.size == 6);
    forkcall_buf_free(&result);
    close(1);
    close(said[1]);
    forkcall_server_stop(); /* The server holds the host's streams open. */
    /* Nothing was written to the host's standard output. */
    CHECK(read(said[0], &byte, 1) == 0);
    /* Nothing was read from the host's standard input. */
    CHECK(read(heard[0], &byte, 1) == 1);
    return 0;
}

static void null_streams(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        bool closed = i == 1;
        assert_int_equal(host_run(null_host, &closed), 0);
    }
}

static int closed_host(void *unused)
{
    struct heard heard = {.calls = 0};
    const struct forkcall_options options = capture(OUT | ERR, &heard);
    (void)unused;
    close(0);
    close(1);
    const struct forkcall_report report = run_tested(child_writes_to_both, NULL, 0, NULL, &options);
    CHECK(report.status == FORKCALL_OK);
    CHECK(heard.bytes[1].size == strlen("by stdio, out and unflushed"));
    CHECK(heard.bytes[2].size == strlen("error so"));
    CHECK(fcntl(0, F_GETFD) == -1 && fcntl(1, F_GETFD) == -1);
    forkcall_buf_free(&heard.bytes[1]);
    forkcall_buf_free(&heard.bytes[2]);
    return 0;
}

static void captured_though_the_host_has_them_closed(void **state)
{
    (void)state;
    assert_int_equal(host_run(closed_host, NULL), 0);
}

#ifdef HAVE_FPURGE_EXT
static int child_tells_who_locks_its_output(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int locking = __fsetlocking(stdout, FSETLOCKING_QUERY);
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &locking, sizeof locking);
}

/* If captured stdout did not lock itself, the threads of a function would write into each other's
 * lines. */
static void captured_stdout_locks_itself_as_before(void **state)
{
    (void)state;
    for (int streams = OUT; streams <= (OUT | ERR); streams++) {
        struct heard heard = {.calls = 0};
        int locking = -1;
        struct forkcall_buf result = forkcall_buf_fixed(&locking, sizeof locking);
        const struct forkcall_options options = capture(streams, &heard);
        const struct forkcall_report report = run_tested(child_tells_who_locks_its_output, NULL, 0, &result, &options);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(locking, __fsetlocking(stdout, FSETLOCKING_QUERY));
    }
}
#endif

static int child_runs_a_program(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return system("echo out; echo err >&2"); // NOLINT(concurrency-mt-unsafe,cert-env33-c): one thread, and a fixed text
}

static void what_a_program_that_the_function_runs_writes_is_captured(void **state)
{
    (void)state;
    struct heard heard = {.calls = 0};
    const struct forkcall_options options = capture(OUT | ERR, &heard);
    const struct forkcall_report report = run_tested(child_runs_a_program, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_OK);
    assert_heard(&heard.bytes[1], "out\n");
    assert_heard(&heard.bytes[2], "err\n");
    forget(&heard);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_separately_and_both),
        cmocka_unit_test(what_a_program_that_the_function_runs_writes_is_captured),
        cmocka_unit_test(binary_output_of_1_MiB_with_a_slow_callback),
        cmocka_unit_test(whole_lines_come_however_the_function_ends),
        cmocka_unit_test(joined_streams_come_in_the_order_of_writing),
        cmocka_unit_test(output_of_a_grandchild),
        cmocka_unit_test(grandchild_that_goes_on_writing_does_not_hold_the_call),
        cmocka_unit_test(output_callback_that_cancels),
        cmocka_unit_test(null_streams),
#ifdef HAVE_FPURGE_EXT
        cmocka_unit_test(captured_stdout_locks_itself_as_before),
#endif
        cmocka_unit_test(captured_though_the_host_has_them_closed),
    };
    return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
