/* Tests calls inside of calls: an inner call must not change what belongs to the outer one. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

static bool bytes_are_right(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != byte_at(i))
            return false;
    return true;
}

/* Extends its own result to the size of the arguments before it looks at them. */
static int child_checks_args(const void *args, size_t args_size, struct forkcall_buf *result)
{
    unsigned char *own = forkcall_buf_extend(result, args_size);
    if (own == NULL)
        return 1;
    memset(own, 0xee, args_size);
    return bytes_are_right(args, args_size) ? 0 : 2;
}

/* Passes a part of its own result to an inner call as arguments. */
static int child_passes_its_result_on(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = *(const size_t *)args;
    struct forkcall_buf inner = FORKCALL_BUF_INIT;
    (void)args_size;
    unsigned char *bytes = forkcall_buf_extend(result, size);
    for (size_t i = 0; bytes != NULL && i < size; i++)
        bytes[i] = byte_at(i);
    const struct forkcall_report report = run_tested(child_checks_args, result->data, result->size, &inner, NULL);
    forkcall_buf_free(&inner);
    return report.status == FORKCALL_OK ? 0 : forkcall_fail(3, "%s", report.message);
}

static void arguments_inside_the_outer_result(void **state)
{
    static const size_t sizes[] = {100, 3000, 60000, 1000000, 5000000};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report =
            run_tested(child_passes_its_result_on, &sizes[i], sizeof sizes[i], &result, NULL);
        assert_status(report, FORKCALL_OK);
        assert_true(result.size == sizes[i] && bytes_are_right(result.data, result.size));
        forkcall_buf_free(&result);
    }
}

static int child_fills(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = *(const size_t *)args;
    (void)args_size;
    void *bytes = forkcall_buf_extend(result, size);
    if (bytes != NULL)
        memset(bytes, 1, size);
    return 0;
}

/* Passes its own result to an inner call as the result, and returns the status of the inner
 * call. */
static int child_delegates(const void *args, size_t args_size, struct forkcall_buf *result)
{
    return (int)run_tested(child_fills, args, args_size, result, NULL).status;
}

static void limit_of_the_outer_result(void **state)
{
    static const size_t sizes[] = {100, 101, 5000, 50000, 500000};
    const struct forkcall_options options = {.max_result = 100};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report =
            run_tested(child_delegates, &sizes[i], sizeof sizes[i], &result, &options);
        assert_status(report, sizes[i] <= 100 ? FORKCALL_OK : FORKCALL_FAILED);
        assert_int_equal(report.code, sizes[i] <= 100 ? 0 : FORKCALL_TOO_BIG);
        assert_int_equal(result.size, sizes[i] <= 100 ? sizes[i] : 0);
        forkcall_buf_free(&result);
    }
}

static int child_reports_for_ever(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    for (;;) {
        forkcall_progress(1, 2, NULL);
        usleep(1000);
    }
    return 0;
}

static int pass_on(void *user, double done, double total, const char *note)
{
    (void)user;
    forkcall_progress(done, total, note);
    return 0;
}

static int run_inside(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.progress = pass_on};
    (void)args;
    (void)args_size;
    (void)result;
    return (int)run_tested(child_reports_for_ever, NULL, 0, NULL, &options).status;
}

static int cancel(void *user, double done, double total, const char *note)
{
    (void)user;
    (void)done;
    (void)total;
    (void)note;
    return 1;
}

/* A cancel reaches an INLINE call from inside the callback of another call. It must end both and
 * leave nothing behind. */
static void cancel_through_an_inner_call(void **state)
{
    const struct forkcall_options options = {.method = FORKCALL_INLINE, .progress = cancel};
    (void)state;
    assert_true(warm_up());
    const struct traces before = traces_now();
    const struct forkcall_report report = run_tested(run_inside, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_CANCELED);
    assert_no_traces(before, false);
    assert_int_equal(run_tested(child_returns_0, NULL, 0, NULL, NULL).status, FORKCALL_OK);
}

static int child_nests(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int depth = *(const int *)args - 1;
    if (depth == 0)
        return child_answers_42(args, args_size, result);
    return (int)run_tested(child_nests, &depth, sizeof depth, result, NULL).status;
}

static void calls_five_deep(void **state)
{
    const int depth = 5;
    int answer = 0;
    (void)state;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_report report = run_tested(child_nests, &depth, sizeof depth, &result, NULL);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(answer, 42);
}

/* Checks that forkcall_in_child() is true in each descendant. */
static int child_forks_twice(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    int status = -1;
    const pid_t pid = fork();
    if (pid == 0) {
        if (!forkcall_in_child())
            _exit(1);
        const pid_t next = fork();
        if (next == 0)
            _exit(forkcall_in_child() ? 0 : 2);
        _exit(next > 0 && waitpid(next, &status, 0) == next && status == 0 ? 0 : 3);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return 4;
    return forkcall_in_child() ? 0 : 5;
}

static void function_and_its_forks_know_that_they_are_in_a_child(void **state)
{
    (void)state;
    const struct forkcall_report report = run_tested(child_forks_twice, NULL, 0, NULL, NULL);
    assert_status(report, FORKCALL_OK);
    assert_false(forkcall_in_child());
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_inside_the_outer_result),
        cmocka_unit_test(limit_of_the_outer_result),
        cmocka_unit_test(cancel_through_an_inner_call),
        cmocka_unit_test(calls_five_deep),
        cmocka_unit_test(function_and_its_forks_know_that_they_are_in_a_child),
    };
    return cmocka_run_group_tests_name("nested", tests, NULL, NULL);
}
