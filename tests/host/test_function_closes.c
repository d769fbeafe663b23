/* Tests functions that close every descriptor above 2 and open files of their own at the same
 * numbers: these files stay untouched, every call has an outcome, and the memory of an unfinished
 * result is given back. */
#include "outcomes.h"
#include "own_files.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exits with a status that says what went wrong, because it can send no answer. */
static int closes_all_and_has_files(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct files files;
    (void)args_size;
    close_everything();
    if (!open_everything(&files, *(const int *)args))
        _exit(41);
    if (!fork_has(&files))
        _exit(42);
    /* The result is in shared memory, if the system has any. */
    char *to = forkcall_buf_extend(result, LARGE_SIZE);
    if (to == NULL)
        _exit(43);
    memset(to, 1, LARGE_SIZE);
    _exit(are_untouched(&files) ? 0 : 44);
}

static int closes_all_and_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int how = *(const int *)args;
    (void)args_size;
    close_everything();
    if (how == 1)
        _exit(125);
    if (how == 2)
        exit(3);
    return forkcall_buf_append(result, "answer", 6);
}

static void function_that_closes_all_descriptors_and_ends(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
        const struct forkcall_report report = run_tested(closes_all_and_ends, &how, sizeof how, &result, &options);
        assert_int_equal(report.ran, FORKCALL_RAN_YES);
        assert_int_equal(result.size, 0);
        if (how == 0) {
            assert_status(report, status_of_closed_channel());
            if (report.status == FORKCALL_LOST)
                assert_string_equal(report.message,
                                    "the function has closed the descriptor that its answer goes through");
        } else if (how == 1) {
            assert_status(report, FORKCALL_EXITED);
            assert_int_equal(report.code, 125);
            /* This system lets the child report the status of its exit(). */
        } else if (report.status == FORKCALL_EXITED) {
            assert_int_equal(report.code, 3);
        } else {
            assert_status(report, FORKCALL_LOST);
        }
    }
}

/* ---- Memory of an unfinished result ---------------------------------------------------------- */

/* Counts the memory in unnamed files of this process. */
static long memory_in_files(void)
{
    long blocks = 0;
    for (int fd = FIRST; fd < END; fd++) {
        struct stat file;
        if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 0)
            blocks += (long)file.st_blocks;
    }
    return blocks;
}

/* What prevents the memory from being freed. */
enum obstacle { NOTHING, A_SEAL, ANOTHER_PROCESS, OBSTACLES };

/* The descriptor of the file that holds the result; -1: this system has no such file. */
static int file_of_result(void)
{
    for (int fd = FIRST; fd < END; fd++) {
        struct stat file;
        if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 0 && file.st_size > 0)
            return fd;
    }
    return -1;
}

/* Leaves a process that holds the file and is not killed with the function's process. It reports
 * the file's size when asked. */
static bool leave_a_process(int file, int asks, int tells)
{
    char byte = 'r';
    const int held = dup(file);
    const pid_t pid = fork();
    if (pid == 0) {
        struct stat status = {.st_blocks = 0};
        alarm((unsigned)(4 * DEADLINE_S));
        if (setsid() < 0 || write(tells, &byte, 1) != 1 || read(asks, &byte, 1) != 1)
            _exit(1);
        fstat(held, &status);
        const long blocks = (long)status.st_blocks;
        _exit(write(tells, &blocks, sizeof blocks) == (ssize_t)sizeof blocks ? 0 : 1);
    }
    close(held);
    return pid > 0;
}

static int fills_a_result_and_is_killed(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int *what = args; /* the obstacle, and three descriptors */
    const size_t size = (size_t)8 << 20;
    char byte;
    char *to = forkcall_buf_extend(result, size);
    if (to == NULL)
        return 1;
    memset(to, 1, size);
    const int file = file_of_result();
#ifdef F_SEAL_SHRINK
    if (what[0] == A_SEAL && file >= 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
        return 2;
#endif
    if (what[0] == ANOTHER_PROCESS && !leave_a_process(file, what[1], what[2]))
        return 3;
    return read(what[3], &byte, 1) == 1 ? child_kills_itself(args, args_size, result) : 4;
}

static void check_that_memory_is_given_back(enum obstacle obstacle)
{
    struct forkcall_call *call;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const long before = memory_in_files();
    long held = 0;
    char byte;
    int asks[2] = {-1, -1};
    int tells[2] = {-1, -1};
    int go[2] = {-1, -1};
    assert_true(pipe(asks) == 0 && pipe(tells) == 0 && pipe(go) == 0);
    static const char killed[] = "killed by SIGKILL (by a process, or by the system";
    const int what[] = {(int)obstacle, asks[0], tells[1], go[0]};
    const struct forkcall_options options = {.keep_fds = what + 1, .keep_fds_count = 3};
    assert_int_equal(start_tested(&call, fills_a_result_and_is_killed, what, sizeof what, &result, &options), 0);
    if (obstacle == ANOTHER_PROCESS) /* the process has left the group */
        assert_int_equal(read(tells[0], &byte, 1), 1);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(forkcall_wait(call, DEADLINE_S * 1000), 1);
    assert_int_equal(memory_in_files(), before);
    if (obstacle == ANOTHER_PROCESS) {
        assert_int_equal(write(asks[1], "a", 1), 1);
        assert_int_equal(read(tells[0], &held, sizeof held), sizeof held);
    }
    assert_int_equal(held, 0);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_SIGNALED);
    assert_memory_equal(report.message, killed, sizeof killed - 1);
    for (int i = 0; i < 2; i++) {
        close(asks[i]);
        close(tells[i]);
        close(go[i]);
    }
}

static void memory_of_a_killed_child_is_given_back_before_the_call_is_finished(void **state)
{
    (void)state;
    for (int obstacle = 0; obstacle < OBSTACLES; obstacle++)
        check_that_memory_is_given_back((enum obstacle)obstacle);
}

static int duplicates_its_output_and_forks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int status;
    (void)args;
    (void)args_size;
    int copies[16]; /* one of them gets the number that the stream's pipe had */
    for (int i = 0; i < 16; i++)
        copies[i] = dup(STDOUT_FILENO);
    const pid_t pid = fork();
    for (int i = 0; pid == 0 && i < 16; i++)
        if (fcntl(copies[i], F_GETFD) < 0)
            _exit(1);
    if (pid == 0)
        _exit(0);
    return waitpid(pid, &status, 0) == pid && status == 0 ? child_answers_42(NULL, 0, result) : 1;
}

static void function_that_closes_all_descriptors_keeps_its_files(void **state)
{
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000};
        const struct forkcall_report report =
            run_tested(closes_all_and_has_files, &turn, sizeof turn, &result, &options);
        assert_status(report, FORKCALL_EXITED);
        assert_int_equal(report.code, 0);
        forkcall_buf_free(&result);
    }
}

static int ignore_output(void *user, int stream, const char *data, size_t size)
{
    (void)user;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static void captured_stream_that_the_function_duplicates(void **state)
{
    (void)state;
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_options options = {.standard_output = FORKCALL_STREAM_CAPTURE, .output = ignore_output};
    const struct forkcall_report report = run_tested(duplicates_its_output_and_forks, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(function_that_closes_all_descriptors_keeps_its_files),
        cmocka_unit_test(function_that_closes_all_descriptors_and_ends),
        cmocka_unit_test(memory_of_a_killed_child_is_given_back_before_the_call_is_finished),
        cmocka_unit_test(captured_stream_that_the_function_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
