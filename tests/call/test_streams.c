/* Tests standard streams: what was written is written once, and what was read is read once, however
 * the child ends.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINES 50
#define OUTPUT_MAX 4096

enum end { BY_RETURN, BY_FAILURE, BY_THROW, BY_EXIT, BY_THREAD_EXIT, END_COUNT };
static const enum forkcall_status expected_status[END_COUNT] = {FORKCALL_OK, FORKCALL_FAILED, FORKCALL_FAILED,
                                                                FORKCALL_EXITED, FORKCALL_EXITED};

static int end_by(enum end how)
{
    switch (how) {
    case BY_FAILURE:
        return 5;
    case BY_THROW:
        forkcall_throw(5, "thrown");
    case BY_EXIT:
        exit(0); // NOLINT(concurrency-mt-unsafe): what is tested
    case BY_THREAD_EXIT:
        pthread_exit(NULL);
    case BY_RETURN:
    case END_COUNT:
        break;
    }
    return 0;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* Opens an empty file without a name. */
static int scratch_file(void)
{
    char name[] = "/tmp/forkcall-test-XXXXXX";
    const int fd = mkstemp(name);
    if (fd >= 0)
        unlink(name);
    return fd;
}

/* The contents of the file, as text. */
static const char *contents(int fd, char text[OUTPUT_MAX])
{
    const ssize_t n = pread(fd, text, OUTPUT_MAX - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

/* Redirects a stream of the host to fd, and makes it fully buffered. */
static bool redirect(FILE *stream, int fd)
{
    static char buffers[2][OUTPUT_MAX];
    char *buffer = buffers[stream == stdout ? 0 : 1];
    fflush(stream);
    return dup2(fd, fileno(stream)) >= 0 && setvbuf(stream, buffer, _IOFBF, OUTPUT_MAX) == 0;
}

/* ---- Output ---------------------------------------------------------------------------------- */

static int prints_and_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    printf("[function]");
    fprintf(stderr, "[error of function]");
    return end_by(*(const enum end *)args);
}

/* How the function ends, and whether the host has unwritten output in its buffers. */
struct printing {
    enum end how;
    bool host_has_unwritten;
};

static int host_that_prints(void *context)
{
    const struct printing *p = context;
    char text[OUTPUT_MAX];
    const int out = scratch_file();
    const int err = scratch_file();
    const int messages = dup(STDERR_FILENO);
    CHECK(out >= 0 && err >= 0 && messages >= 0);
    CHECK(redirect(stdout, out) && redirect(stderr, err));
    if (p->host_has_unwritten) {
        printf("[host]");
        fprintf(stderr, "[error of host]");
    }
    const struct forkcall_report r = run_tested(prints_and_ends, &p->how, sizeof p->how, NULL, NULL);
    const char *expected = p->host_has_unwritten ? "[function][host]" : "[function]";
    const char *expected_error = p->host_has_unwritten ? "[error of function][error of host]" : "[error of function]";
    fflush(stdout);
    fflush(stderr);
    dup2(messages, STDERR_FILENO);
    CHECK(r.status == expected_status[p->how]);
    CHECK(strcmp(contents(out, text), expected) == 0);
    CHECK(strcmp(contents(err, text), expected_error) == 0);
    return 42;
}

static void unwritten_output_of_host_and_function_appears_once(void **state)
{
    (void)state;
    for (enum end how = 0; how < END_COUNT; how++)
        for (int unwritten = 0; unwritten < 2; unwritten++) {
            struct printing p = {how, unwritten == 1};
            assert_int_equal(host_run(host_that_prints, &p), 42);
        }
}

struct captured {
    char text[3][OUTPUT_MAX]; /* by descriptor */
};

static int capture(void *user, int fd, const char *data, size_t size)
{
    struct captured *captured = user;
    if (fd != 1 && fd != 2)
        return 1;
    strncat(captured->text[fd], data, size);
    return 0;
}

static int host_that_captures(void *context)
{
    struct captured captured;
    char text[OUTPUT_MAX];
    memset(&captured, 0, sizeof captured);
    const struct forkcall_options options = {.standard_output = FORKCALL_STREAM_CAPTURE,
                                             .standard_error = FORKCALL_STREAM_CAPTURE,
                                             .output = capture,
                                             .user = &captured};
    const enum end *how = context;
    const int out = scratch_file();
    CHECK(out >= 0 && redirect(stdout, out));
    printf("[host]");
    const struct forkcall_report r = run_tested(prints_and_ends, how, sizeof *how, NULL, &options);
    CHECK(r.status == expected_status[*how]);
    CHECK(strcmp(captured.text[1], "[function]") == 0);
    CHECK(strcmp(captured.text[2], "[error of function]") == 0);
    fflush(stdout);
    CHECK(strcmp(contents(out, text), "[host]") == 0);
    return 42;
}

static void captured_output_holds_the_functions_own_alone(void **state)
{
    (void)state;
    for (enum end how = 0; how < END_COUNT; how++)
        assert_int_equal(host_run(host_that_captures, &how), 42);
}

/* Forks another process that ends in the same way as the function. */
static int forks_and_both_print(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int status;
    (void)args_size;
    (void)result;
    const pid_t pid = fork();
    if (pid == 0) {
        printf("[fork]");
        return end_by(*(const enum end *)args);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    printf("[function]");
    return 0;
}

static int host_whose_function_forks_and_prints(void *how)
{
    struct captured captured;
    memset(&captured, 0, sizeof captured);
    const struct forkcall_options options = {
        .standard_output = FORKCALL_STREAM_CAPTURE, .output = capture, .user = &captured};
    const struct forkcall_report r = run_tested(forks_and_both_print, how, sizeof(enum end), NULL, &options);
    CHECK(r.status == FORKCALL_OK);
    CHECK(strcmp(captured.text[1], "[fork][function]") == 0);
    return 42;
}

static void output_of_a_fork_of_the_function_is_flushed_at_its_end(void **state)
{
    (void)state;
    for (enum end how = 0; how < END_COUNT; how++)
        assert_int_equal(host_run(host_whose_function_forks_and_prints, &how), 42);
}

/* A stream of the host's own, which the library does not know. */
static FILE *host_file;

static int ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    return end_by(*(const enum end *)args);
}

static int host_with_a_file_of_its_own(void *context)
{
    char text[OUTPUT_MAX];
    const int fd = scratch_file();
    host_file = fd < 0 ? NULL : fdopen(fd, "w+");
    CHECK(host_file != NULL);
    fprintf(host_file, "[unwritten]");
    const struct forkcall_report r = run_tested(ends, context, sizeof(enum end), NULL, NULL);
    CHECK(r.status == expected_status[*(enum end *)context]);
    CHECK(strcmp(contents(fd, text), "") == 0);
    fflush(host_file);
    CHECK(strcmp(contents(fd, text), "[unwritten]") == 0);
    fclose(host_file);
    return 42;
}

static void other_streams_of_the_host_are_not_flushed_in_the_child(void **state)
{
    (void)state;
    for (enum end how = 0; how < END_COUNT; how++)
        assert_int_equal(host_run(host_with_a_file_of_its_own, &how), 42);
}

/* ---- Input ----------------------------------------------------------------------------------- */

static int host_that_reads_lines(void *context)
{
    char line[64];
    int expected = 0;
    const int fd = scratch_file();
    CHECK(fd >= 0);
    for (int i = 0; i < LINES; i++)
        CHECK(dprintf(fd, "line %d\n", i) > 0);
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    while (fgets(line, sizeof line, stdin) != NULL) {
        char wanted[64];
        const off_t before = lseek(STDIN_FILENO, 0, SEEK_CUR);
        snprintf(wanted, sizeof wanted, "line %d\n", expected++);
        CHECK(strcmp(line, wanted) == 0);
        const struct forkcall_report r = run_tested(ends, context, sizeof(enum end), NULL, NULL);
        CHECK(r.status == expected_status[*(enum end *)context]);
        CHECK(lseek(STDIN_FILENO, 0, SEEK_CUR) == before);
    }
    CHECK(expected == LINES);
    return 42;
}

static void host_that_reads_stdin_by_lines_sees_each_once(void **state)
{
    (void)state;
    for (enum end how = 0; how < END_COUNT; how++)
        assert_int_equal(host_run(host_that_reads_lines, &how), 42);
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

static int reads_and_writes_null(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char byte;
    (void)args;
    (void)args_size;
    (void)result;
    if (read(STDIN_FILENO, &byte, 1) != 0)
        return 1;
    return write(STDOUT_FILENO, "out", 3) == 3 && write(STDERR_FILENO, "err", 3) == 3 ? 0 : 2;
}

/* Checks that the host's own streams are untouched: the function must read and write null streams
 * alone. */
static int host_with_null_streams(void *unused)
{
    char text[OUTPUT_MAX];
    const struct forkcall_options options = {.standard_input = FORKCALL_STREAM_NULL,
                                             .standard_output = FORKCALL_STREAM_NULL,
                                             .standard_error = FORKCALL_STREAM_NULL};
    const int out = scratch_file();
    (void)unused;
    CHECK(out >= 0 && write(out, "untouched", 9) == 9);
    CHECK(dup2(out, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0);
    CHECK(lseek(out, 0, SEEK_SET) == 0);
    CHECK(run_tested(reads_and_writes_null, NULL, 0, NULL, &options).status == FORKCALL_OK);
    CHECK(lseek(out, 0, SEEK_CUR) == 0);
    CHECK(strcmp(contents(out, text), "untouched") == 0);
    return 42;
}

static void null_streams_read_nothing_and_write_nowhere(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_with_null_streams, NULL), 42);
}

/* Answers with the streams that stay open over exec: descriptors without close-on-exec. */
static int counts_open_streams(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    int open = 0;
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) == 0)
            open |= 1 << fd;
    return open;
}

/* *closed: the stream, 0 to 2, that the host has closed. Each stream is made null in turn. */
static int host_with_a_closed_stream(void *closed)
{
    const int missing = *(const int *)closed;
    close(missing);
    for (int null = 0; null < 3; null++) {
        const struct forkcall_options options = {
            .standard_input = null == 0 ? FORKCALL_STREAM_NULL : FORKCALL_STREAM_INHERIT,
            .standard_output = null == 1 ? FORKCALL_STREAM_NULL : FORKCALL_STREAM_INHERIT,
            .standard_error = null == 2 ? FORKCALL_STREAM_NULL : FORKCALL_STREAM_INHERIT};
        const struct forkcall_report r = run_tested(counts_open_streams, NULL, 0, NULL, &options);
        CHECK(r.status == FORKCALL_FAILED && r.code == (null == missing ? 7 : 7 & ~(1 << missing)));
    }
    return 42;
}

static void stream_that_the_host_has_closed_stays_closed_beside_a_null_one(void **state)
{
    (void)state;
    for (int fd = 0; fd < 3; fd++)
        assert_int_equal(host_run(host_with_a_closed_stream, &fd), 42);
}

/* Closes all descriptors, and opens files under the same numbers, the number of the reply among
 * them. */
static int closes_all_and_opens_a_file(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    for (int fd = 3; fd < 100; fd++)
        close(fd);
    for (int fd = 3; fd < 100; fd++)
        if (open(args, O_RDWR | O_APPEND) != fd)
            return 1;
    printf("[function]");
    forkcall_progress(1, 2, "nowhere");
    return 0;
}

static int ignore_progress(void *user, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    ++*(int *)user;
    return 0;
}

static int host_whose_function_closes_all_descriptors(void *unused)
{
    char text[OUTPUT_MAX];
    char name[] = "/tmp/forkcall-test-XXXXXX";
    int count = 0;
    const struct forkcall_options options = {
        .progress = ignore_progress, .user = &count, .standard_output = FORKCALL_STREAM_NULL};
    const int fd = mkstemp(name);
    (void)unused;
    CHECK(fd >= 0 && fd < 50);
    const struct forkcall_report r = run_tested(closes_all_and_opens_a_file, name, sizeof name, NULL, &options);
    unlink(name);
    CHECK(strcmp(contents(fd, text), "") == 0);
    CHECK(r.status == status_of_closed_channel() && r.ran == FORKCALL_RAN_YES);
    if (r.status == FORKCALL_LOST)
        CHECK(strcmp(r.message, "the function has closed the descriptor that its answer goes through") == 0);
    CHECK(count == 0);
    return 42;
}

static void function_that_closes_the_reply_does_not_write_into_what_has_its_number(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_whose_function_closes_all_descriptors, NULL), 42);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unwritten_output_of_host_and_function_appears_once),
        cmocka_unit_test(captured_output_holds_the_functions_own_alone),
        cmocka_unit_test(output_of_a_fork_of_the_function_is_flushed_at_its_end),
        cmocka_unit_test(other_streams_of_the_host_are_not_flushed_in_the_child),
        cmocka_unit_test(host_that_reads_stdin_by_lines_sees_each_once),
        cmocka_unit_test(null_streams_read_nothing_and_write_nowhere),
        cmocka_unit_test(stream_that_the_host_has_closed_stays_closed_beside_a_null_one),
        cmocka_unit_test(function_that_closes_the_reply_does_not_write_into_what_has_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
