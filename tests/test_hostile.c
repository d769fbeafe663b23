/* Children that mean harm: they write what they like to their reply, and do what they like to the region that they share
 * with their caller. Whatever they do, the call has a definite outcome and the host goes on. */
#include "support.h"

#include "call.h"
#include "forge.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIB ((uint64_t)1 << 40)

static struct forkcall_call *call; /* a child finds its own descriptors and nonce in its copy */
static uint32_t seed;

/* Ends by _exit, so that nothing of the library's is said. */
static void say(const struct forkcall_buf *bytes)
{
    const unsigned char *data = bytes->data;
    for (size_t size = bytes->size; size > 0;) {
        const ssize_t n = write(call->task.reply_fd, data, size);
        if (n < 0)
            _exit(98);
        data += n;
        size -= (size_t)n;
    }
}

static struct forkcall_report call_hostile(forkcall_fn *fn, struct forkcall_buf *result, int timeout_ms,
                                           size_t max_result)
{
    const struct forkcall_options options = {.timeout_ms = timeout_ms, .max_result = max_result};
    assert_int_equal(forkcall_start(&call, fn, NULL, 0, result, &options), 0);
    const struct forkcall_report report = forkcall_finish(call);
    assert_true(report.status <= FORKCALL_LOST);
    assert_true(report.status == FORKCALL_OK || result->size == 0);
    assert_true(report.status == FORKCALL_OK || report.message[0] != '\0');
    return report;
}

static size_t peak_rss(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

/* ---- The reply --------------------------------------------------------------------------------------------------- */

static int child_says_random_bytes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    uint32_t random = seed;
    (void)args;
    (void)args_size;
    (void)result;
    for (uint32_t n = forge_random(&random) % 5000; n > 0; n--) {
        const uint32_t word = forge_random(&random);
        forge_bytes(&bytes, &word, sizeof word);
    }
    if (seed % 2 == 0) { /* a header that is ours, before random bytes */
        struct forkcall_buf more = FORKCALL_BUF_INIT;
        const struct fc_frame_header header = {
            .magic = FC_FRAME_MAGIC, .type = forge_random(&random) % 9, .size = forge_random(&random) % 3000};
        forge_bytes(&more, &header, sizeof header);
        forge_bytes(&more, bytes.data, bytes.size);
        say(&more);
    } else {
        say(&bytes);
    }
    _exit(0);
}

static void random_bytes_as_a_reply(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct traces before = traces_now();
    for (seed = 1; seed <= 150; seed++) {
        const struct forkcall_report report = call_hostile(child_says_random_bytes, &result, 20000, 0);
        assert_int_not_equal(report.status, FORKCALL_OK);
        assert_int_not_equal(report.status, FORKCALL_TIMED_OUT);
        assert_int_not_equal(report.status, FORKCALL_NOT_STARTED);
    }
    assert_no_traces(before, false);
}

static int child_forges_another_trailer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    forge_ok(&bytes, call->task.nonce + 1, "forged", 6);
    say(&bytes);
    _exit(0);
}

static void trailer_of_another_call(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call_hostile(child_forges_another_trailer, &result, 20000, 0);
    assert_true(report.status == FORKCALL_SIGNALED || report.status == FORKCALL_EXITED);
    assert_non_null(strstr(report.message, "malformed"));
}

static int child_announces_a_tebibyte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static unsigned char zeroes[1 << 16];
    const struct fc_frame_header header = {.magic = FC_FRAME_MAGIC, .type = FC_FRAME_RESULT, .size = TIB};
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    forge_bytes(&bytes, &header, sizeof header);
    forge_bytes(&bytes, zeroes, sizeof zeroes);
    say(&bytes);
    _exit(0);
}

static void announced_result_of_a_tebibyte(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const size_t before = peak_rss();
    for (size_t max_result = 0; max_result <= 1 << 20; max_result += 1 << 20) {
        const struct forkcall_report report = call_hostile(child_announces_a_tebibyte, &result, 20000, max_result);
        assert_int_not_equal(report.status, FORKCALL_OK);
        assert_int_not_equal(report.status, FORKCALL_TIMED_OUT);
    }
    assert_true(peak_rss() - before < (size_t)64 << 20);
    forkcall_buf_free(&result);
}

static int child_reports_progress_for_ever(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 1000; i++)
        forge_progress(&bytes, i, 1000, "and on and on");
    for (;;)
        say(&bytes);
    return 0;
}

static void endless_progress_frames(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call_hostile(child_reports_progress_for_ever, &result, 100, 0);
    assert_status(report, FORKCALL_TIMED_OUT);
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
}

static int child_goes_on_after_its_trailer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    forge_ok(&bytes, call->task.nonce, "answer", 6);
    say(&bytes);
    forge_ok(&bytes, call->task.nonce, "second", 6);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        const ssize_t n = write(call->task.reply_fd, bytes.data, bytes.size);
        (void)n;
    }
    return 0;
}

static void child_that_writes_after_its_trailer_and_stays(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call_hostile(child_goes_on_after_its_trailer, &result, 20000, 0);
    assert_status(report, FORKCALL_OK); /* and it is killed when it does not end */
    assert_true(WIFSIGNALED(report.wait_status) && WTERMSIG(report.wait_status) == SIGKILL);
    assert_int_equal(result.size, 6);
    assert_memory_equal(result.data, "answer", 6);
    forkcall_buf_free(&result);
}

static int child_closes_everything(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    return forkcall_buf_append(result, "lost", 4);
}

static int child_puts_a_file_in_place_of_its_reply(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    const int file = *(const int *)args;
    dup2(file, call->task.reply_fd);
    return forkcall_buf_append(result, "lost", 4);
}

static void child_that_closes_its_reply(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call_hostile(child_closes_everything, &result, 20000, 0);
    assert_status(report, FORKCALL_EXITED);
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
    assert_int_not_equal(report.code, 0);
}

static void child_that_puts_a_file_in_place_of_its_reply(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct stat file;
    FILE *other = tmpfile();
    assert_non_null(other);
    const int fd = fileno(other);
    assert_int_equal(forkcall_start(&call, child_puts_a_file_in_place_of_its_reply, &fd, sizeof fd, &result, NULL), 0);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_EXITED);
    assert_int_equal(result.size, 0);
    assert_int_equal(fstat(fd, &file), 0);
    assert_int_equal(file.st_size, 0); /* nothing was written into the host's file */
    fclose(other);
}

/* ---- After the child's end --------------------------------------------------------------------------------------- */

static int grandchild_pid_pipe[2];

static void flood(int fd, const void *data, size_t size)
{
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        const ssize_t n = write(fd, data, size);
        (void)n;
    }
}

/* Leaves a process behind, in a group of its own, that writes what follows. */
static pid_t leave_behind(void)
{
    const pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        return 0;
    }
    setpgid(pid, pid);
    const ssize_t n = write(grandchild_pid_pipe[1], &pid, sizeof pid);
    (void)n;
    return pid;
}

static int child_leaves_a_flood(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    const int fd = dup(call->task.reply_fd); /* the library closes its own in what the child forks */
    for (int i = 0; i < 1000; i++)
        forge_progress(&bytes, i, 1000, "and on and on");
    if (leave_behind() == 0)
        flood(fd, bytes.data, bytes.size);
    raise(SIGKILL);
    return 0;
}

static void kill_the_one_left_behind(void)
{
    pid_t pid = 0;
    if (read(grandchild_pid_pipe[0], &pid, sizeof pid) != sizeof pid || pid <= 0)
        fail();
    assert_true(process_lives(pid)); /* nothing has waited for its end */
    kill(pid, SIGKILL);
}

static void grandchild_that_floods_the_reply_after_the_end(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    assert_int_equal(pipe(grandchild_pid_pipe), 0);
    const struct traces before = traces_now();
    const struct forkcall_report report = call_hostile(child_leaves_a_flood, &result, 20000, 0);
    kill_the_one_left_behind();
    assert_status(report, FORKCALL_SIGNALED);
    assert_int_equal(report.code, SIGKILL);
    assert_int_equal(report.ran, FORKCALL_RAN_YES);
    assert_no_traces(before, false);
    close(grandchild_pid_pipe[0]);
    close(grandchild_pid_pipe[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_as_a_reply),
        cmocka_unit_test(trailer_of_another_call),
        cmocka_unit_test(announced_result_of_a_tebibyte),
        cmocka_unit_test(endless_progress_frames),
        cmocka_unit_test(child_that_writes_after_its_trailer_and_stays),
        cmocka_unit_test(child_that_closes_its_reply),
        cmocka_unit_test(child_that_puts_a_file_in_place_of_its_reply),
        cmocka_unit_test(grandchild_that_floods_the_reply_after_the_end),
    };
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
