/* A child that is gone after k bytes of its reply, for every k: the reply is written by hand, as the library would. */
#include "support.h"

#include "call.h"
#include "forge.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child is to write; it finds itself in its copy of these. */
static struct {
    struct forkcall_call *call;
    struct forkcall_buf reply;
    size_t cut;
    bool exits; /* else it is killed */
} plan;

static void write_all(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(fd, data, size);
        if (n < 0)
            _exit(99);
        data += n;
        size -= (size_t)n;
    }
}

/* The nonce in the last frame is not known before the call has begun. */
static void set_nonce(void)
{
    struct fc_trailer trailer;
    unsigned char *at = (unsigned char *)plan.reply.data + plan.reply.size - sizeof trailer;
    memcpy(&trailer, at, sizeof trailer);
    trailer.nonce = plan.call->task.nonce;
    memcpy(at, &trailer, sizeof trailer);
}

static int child_says_a_part(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    set_nonce();
    write_all(plan.call->task.reply_fd, plan.reply.data, plan.cut);
    if (plan.exits)
        _exit(3);
    kill(getpid(), SIGKILL);
    return 0;
}

static struct forkcall_report call_cut_at(size_t cut, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.timeout_ms = 20000};
    plan.cut = cut;
    assert_int_equal(forkcall_start(&plan.call, child_says_a_part, NULL, 0, result, &options), 0);
    return forkcall_finish(plan.call);
}

static void make_reply(size_t size)
{
    unsigned char *bytes = calloc(1, size + 1);
    assert_non_null(bytes);
    memset(bytes, 0xa7, size);
    forkcall_buf_free(&plan.reply);
    forge_ok(&plan.reply, 0, bytes, size);
    free(bytes);
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
    make_reply(sizeof storage);
    for (int fixed = 0; fixed < 2; fixed++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        if (fixed)
            result = forkcall_buf_fixed(storage, sizeof storage);
        for (size_t cut = 0; cut < plan.reply.size; cut++) {
            forkcall_buf_truncate(&result, 0);
            forkcall_buf_append(&result, "stale", 5);
            const struct forkcall_report report = call_cut_at(cut, &result);
            assert_cut(&report, &result);
        }
        const struct forkcall_report report = call_cut_at(plan.reply.size, &result);
        assert_whole(&report, &result, sizeof storage); /* the trailer decides, not the end */
        assert_true(WIFSIGNALED(report.wait_status) && WTERMSIG(report.wait_status) == SIGKILL);
        forkcall_buf_free(&result);
    }
    assert_no_traces(before, false);
}

static void child_exits_after_every_byte_of_its_reply(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    make_reply(0);
    plan.exits = true;
    for (size_t cut = 0; cut < plan.reply.size; cut++) {
        const struct forkcall_report report = call_cut_at(cut, &result);
        assert_cut(&report, &result);
    }
    const struct forkcall_report report = call_cut_at(plan.reply.size, &result);
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
    make_reply(size);
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
        const size_t cut = i < sizeof cuts / sizeof *cuts ? cuts[i] : forge_random(&random) % (uint32_t)plan.reply.size;
        const struct forkcall_report report = call_cut_at(cut, &result);
        assert_cut(&report, &result);
    }
    const struct forkcall_report report = call_cut_at(plan.reply.size, &result);
    assert_whole(&report, &result, size);
    forkcall_buf_free(&result);
}

/* ---- A child that is killed by somebody else, at any moment of the library's own writing ------------------------- */

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
        assert_int_equal(forkcall_start(&call, child_answers_much, &size, sizeof size, &result, NULL), 0);
        for (uint32_t spin = forge_random(&random) % 200000; spin > 0; spin--)
            __asm__ volatile("" ::: "memory");
        if (call->report.pid > 0)
            kill(call->report.pid, SIGKILL); /* not reaped yet: nobody waits but finish */
        const struct forkcall_report report = forkcall_finish(call);
        if (report.status == FORKCALL_OK) {
            assert_whole(&report, &result, size);
            whole++;
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_killed_after_every_byte_of_its_reply),
        cmocka_unit_test(child_exits_after_every_byte_of_its_reply),
        cmocka_unit_test(child_killed_within_a_large_reply),
        cmocka_unit_test(child_killed_from_outside_at_any_moment),
    };
    const int failed = cmocka_run_group_tests_name("cut", tests, NULL, NULL);
    forkcall_buf_free(&plan.reply);
    return failed;
}
