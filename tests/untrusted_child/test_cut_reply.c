/* Tests a child that ends after k bytes of its reply, for every k. The child writes the reply by
 * hand, in the way that the library would. */
#include "forging_child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child writes: size is the size of the result, and cut is the number of bytes of the
 * reply after which the child ends. */
static struct plan {
    size_t size, cut;
    bool exits; /* false: the child is killed */
} plan;

static struct forkcall_buf make_reply(size_t size, uint64_t nonce)
{
    struct forkcall_buf reply = FORKCALL_BUF_INIT;
    unsigned char *bytes = calloc(1, size + 1);
    if (bytes == NULL)
        abort();
    memset(bytes, 0xa7, size);
    forge_ok(&reply, nonce, bytes, size);
    free(bytes);
    return reply;
}

static int child_says_a_part(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct plan *todo = args;
    (void)args_size;
    (void)result;
    const struct forkcall_buf reply = make_reply(todo->size, forge_nonce());
    forge_write(reply.data, todo->cut);
    if (todo->exits)
        _exit(3);
    kill(getpid(), SIGKILL);
    return 0;
}

static struct forkcall_report call_cut_at(size_t cut, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    plan.cut = cut;
    return forge_run(child_says_a_part, &plan, sizeof plan, result, &options);
}

/* Plans a result of this size. Returns the number of bytes of the whole reply. */
static size_t plan_reply(size_t size)
{
    struct forkcall_buf reply = make_reply(size, 0);
    const size_t whole = reply.size;
    forkcall_buf_free(&reply);
    plan.size = size;
    return whole;
}

static void assert_cut(const struct forkcall_report *report, const struct forkcall_buf *result)
{
    assert_status(*report, plan.exits ? FORKCALL_EXITED : FORKCALL_SIGNALED);
    assert_int_equal(report->code, plan.exits ? 3 : SIGKILL);
    assert_int_equal(report->ran, FORKCALL_RAN_YES);
    assert_int_equal(result->size, 0);
    assert_string_not_equal(report->message, "");
    if (plan.exits)
        assert_true(WIFEXITED(report->wait_status) && WEXITSTATUS(report->wait_status) == 3);
    else
        assert_true(WIFSIGNALED(report->wait_status) && WTERMSIG(report->wait_status) == SIGKILL);
}

static void assert_whole(const struct forkcall_report *report, const struct forkcall_buf *result, size_t size)
{
    const unsigned char *data = result->data;
    assert_status(*report, FORKCALL_OK);
    assert_int_equal(result->size, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(data[i], 0xa7);
}

static void child_killed_after_every_byte_of_its_reply(void **state)
{
    (void)state;
    char storage[12];
    const struct traces before = traces_now();
    const size_t whole = plan_reply(sizeof storage);
    for (int fixed = 0; fixed < 2; fixed++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        if (fixed)
            result = forkcall_buf_fixed(storage, sizeof storage);
        for (size_t cut = 0; cut < whole; cut++) {
            forkcall_buf_truncate(&result, 0);
            forkcall_buf_append(&result, "stale", 5);
            const struct forkcall_report report = call_cut_at(cut, &result);
            assert_cut(&report, &result);
        }
        const struct forkcall_report report = call_cut_at(whole, &result);
        /* The child is killed after its trailer, but the trailer decides. */
        assert_whole(&report, &result, sizeof storage);
        assert_int_equal(report.wait_status, wait_status_of_told_end(SIGKILL));
        forkcall_buf_free(&result);
    }
    assert_no_traces(before, false);
}

static void child_exits_after_every_byte_of_its_reply(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const size_t whole = plan_reply(0);
    plan.exits = true;
    for (size_t cut = 0; cut < whole; cut++) {
        const struct forkcall_report report = call_cut_at(cut, &result);
        assert_cut(&report, &result);
    }
    const struct forkcall_report report = call_cut_at(whole, &result);
    assert_whole(&report, &result, 0);
    plan.exits = false;
    forkcall_buf_free(&result);
}

static void child_killed_within_a_large_reply(void **state)
{
    (void)state;
    const size_t size = 300000; /* more than the pipe holds */
    const size_t header = sizeof(struct fc_frame_header);
    const size_t trailer = header + sizeof(struct fc_trailer);
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    uint32_t random = 99;
    const size_t whole = plan_reply(size);
    const size_t cuts[] = {header,
                           header + 1,
                           header + 4096,
                           header + 4097,
                           header + 65536,
                           header + size,
                           header + size - 1,
                           header + size + 1,
                           header + size + trailer - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts + 20; i++) {
        const size_t cut = i < sizeof cuts / sizeof *cuts ? cuts[i] : forge_random(&random) % (uint32_t)whole;
        const struct forkcall_report report = call_cut_at(cut, &result);
        assert_cut(&report, &result);
    }
    const struct forkcall_report report = call_cut_at(whole, &result);
    assert_whole(&report, &result, size);
    forkcall_buf_free(&result);
}

/* ---- A child that another process kills at any moment of its writing ------------------------- */

static int child_answers_much(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = *(const size_t *)args;
    void *to = forkcall_buf_extend(result, size);
    (void)args_size;
    if (to == NULL)
        return ENOMEM;
    memset(to, 0xa7, size);
    return 0;
}

static void child_killed_from_outside_at_any_moment(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 20000, 200000};
    uint32_t random = 5;
    int whole = 0;
    int cut = 0;
    for (int i = 0; i < 150; i++) {
        const size_t size = sizes[i % 3];
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        struct forkcall_call *call;
        assert_int_equal(start_tested(&call, child_answers_much, &size, sizeof size, &result, NULL), 0);
        for (uint32_t spin = forge_random(&random) % 200000; spin > 0; spin--)
            __asm__ volatile("" ::: "memory");
        if (call->report.pid > 0)
            kill(call->report.pid, SIGKILL); /* Only forkcall_finish() reaps the child. */
        const struct forkcall_report report = forkcall_finish(call);
        if (report.status == FORKCALL_OK) {
            assert_whole(&report, &result, size);
            whole++;
        } else if (report.status == FORKCALL_NOT_STARTED) {
            assert_int_equal(tested_method(), FORKCALL_SPAWN); /* the child was not ready yet */
            assert_int_equal(report.code, ENOEXEC);
            assert_int_equal(report.ran, FORKCALL_RAN_NO);
            assert_non_null(strstr(report.message, "SIGKILL"));
            cut++;
        } else {
            assert_status(report, FORKCALL_SIGNALED);
            assert_int_equal(report.code, SIGKILL);
            assert_int_equal(result.size, 0);
            cut++;
        }
        forkcall_buf_free(&result);
    }
    assert_int_equal(whole + cut, 150);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(child_killed_after_every_byte_of_its_reply),
        TEST(child_exits_after_every_byte_of_its_reply),
        TEST(child_killed_within_a_large_reply),
        TEST(child_killed_from_outside_at_any_moment),
    };
    return cmocka_run_group_tests_name("cut", tests, set_up_group, tear_down_group);
}
