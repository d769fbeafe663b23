/* Tests what may befall a kept child that waits for its next call. */
#include "forged_reply.h"
#include "reused_child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void note_handler(void)
{
    ++*(int *)shared_memory();
}

static int registers_a_handler(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return atexit(note_handler);
}

static void a_child_that_was_killed_meanwhile_is_replaced(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    for (int i = 0; i < 10; i++) {
        const pid_t pid = call_reusing(child_returns_0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        if (i % 2 == 0) /* else the kill and the next call meet */
            wait_until(process_is_gone, (void *)&pid);
        const struct forkcall_report report = run_settled(child_returns_0, NULL, 0, NULL, &reuse);
        if (i % 2 == 0)
            assert_status(report, FORKCALL_OK);
        else if (report.status != FORKCALL_OK)
            assert_true(report.status == FORKCALL_SIGNALED && report.pid == pid);
    }
}

static void a_call_that_gets_a_stopped_child_ends_at_its_deadline(void **state)
{
    struct forkcall_options options = reuse;
    (void)state;
    NEED_KEPT_CHILDREN;
    const pid_t pid = call_reusing(child_returns_0);
    assert_int_equal(call_reusing(child_returns_0), pid);
    usleep(20000); /* it has said that it is fit */
    assert_int_equal(kill(pid, SIGSTOP), 0);
    options.timeout_ms = short_timeout_ms();
    const struct forkcall_report report = run_settled(child_returns_0, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_TIMED_OUT);
    assert_int_equal(report.ran, FORKCALL_RAN_NO);
    assert_int_equal(report.pid, pid);
    assert_int_not_equal(call_reusing(child_returns_0), pid);
    assert_true(wait_until(process_is_gone, (void *)&pid));
}

static int tells_reply_fd(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    const int fd = reply_fd();
    return forkcall_buf_append(result, &fd, sizeof fd);
}

/* Opens the writing end of a kept child's reply. */
static int open_reply(pid_t *pid)
{
    char path[64];
    int number = -1;
    struct forkcall_buf result = forkcall_buf_fixed(&number, sizeof number);
    const struct forkcall_report report = run_settled(tells_reply_fd, NULL, 0, &result, &reuse);
    assert_status(report, FORKCALL_OK);
    *pid = report.pid;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)*pid, number);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void a_child_of_which_more_is_heard_meanwhile_is_not_used(void **state)
{
    static const size_t sizes[] = {1, 15, 16, 17, 4000};
    static const unsigned char garbage[4000];
    (void)state;
    NEED_KEPT_CHILDREN;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pid_t pid;
        const int fd = open_reply(&pid);
        assert_int_equal(write(fd, garbage, sizes[i]), sizes[i]);
        close(fd);
        assert_int_not_equal(call_reusing(child_returns_0), pid);
        assert_true(wait_until(process_is_gone, &pid));
    }
}

/* Writes what an earlier call's process might still write: frames of the first call of the child,
 * and of the call before this one. */
static int is_overtaken(const void *args, size_t args_size, struct forkcall_buf *result)
{
    atomic_int *go = shared_memory();
    (void)args;
    (void)args_size;
    atomic_store(go, 1);
    for (int i = 0; i < 3000 && atomic_load(go) != 2; i++)
        usleep(10000);
    return forkcall_buf_append(result, "true", 4);
}

static int hear(void *heard, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    *(bool *)heard = true;
    return 0;
}

static void late_frames_of_an_earlier_call_are_never_a_later_calls(void **state)
{
    bool heard = false;
    struct forkcall_options options = reuse;
    (void)state;
    options.progress = hear;
    options.user = &heard;
    NEED_KEPT_CHILDREN;
    for (uint32_t mark = 0; mark < 2; mark++) {
        struct forkcall_buf frames = FORKCALL_BUF_INIT, result = FORKCALL_BUF_INIT;
        struct forkcall_call *call;
        pid_t pid;
        clear_shared_memory();
        assert_int_equal(forkcall_server_stop(), 0);
        call_reusing(child_returns_0);
        const int fd = open_reply(&pid); /* the second call; the next one is the third */
        forge_progress(&frames, 1, 2, "late");
        ((struct fc_frame_header *)frames.data)->magic = fc_frame_magic(mark);
        assert_int_equal(forkcall_start(&call, is_overtaken, NULL, 0, &result, &options), 0);
        assert_int_equal(call->process.pid, pid);
        assert_true(wait_until(is_set, shared_memory()));
        assert_int_equal(write(fd, frames.data, frames.size), frames.size);
        close(fd);
        atomic_store((atomic_int *)shared_memory(), 2);
        const struct forkcall_report report = forkcall_finish(call);
        assert_status(report, FORKCALL_SIGNALED); /* the library has killed the child */
        assert_int_equal(result.size, 0);
        assert_false(heard);
        assert_int_not_equal(call_reusing(child_returns_0), pid);
        forkcall_buf_free(&frames);
        forkcall_buf_free(&result);
    }
}

static void forkcall_server_stop_ends_the_children_that_wait(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    pid_t pid = call_reusing(child_returns_0);
    assert_int_equal(forkcall_server_stop(), 0);
    assert_true(wait_until(process_is_gone, &pid));
    assert_int_not_equal(call_reusing(child_returns_0), pid);
}

static void nothing_is_left_but_the_children_that_wait(void **state)
{
    (void)state;
    NEED_KEPT_CHILDREN;
    assert_int_equal(forkcall_server_stop(), 0);
    const struct traces before = traces_now();
    for (int i = 0; i < 50; i++)
        call_reusing(i % 5 == 4 ? registers_a_handler : child_returns_0);
    const struct traces with_one = traces_now();
    for (int i = 0; i < 50; i++)
        call_reusing(child_returns_0);
    assert_no_traces(with_one, false);
    assert_int_equal(forkcall_server_stop(), 0);
    assert_no_traces(before, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REUSE_TEST(a_child_that_was_killed_meanwhile_is_replaced),
        REUSE_TEST(a_call_that_gets_a_stopped_child_ends_at_its_deadline),
        REUSE_TEST(a_child_of_which_more_is_heard_meanwhile_is_not_used),
        REUSE_TEST(late_frames_of_an_earlier_call_are_never_a_later_calls),
        REUSE_TEST(forkcall_server_stop_ends_the_children_that_wait),
        REUSE_TEST(nothing_is_left_but_the_children_that_wait),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
