/* Tests forkcall_buf_shared: results that the child writes straight into the caller's memory. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define CAPACITY (3 * MIB)

enum end { RETURNS, FAILS, IS_KILLED, EXITS };

struct order {
    size_t size;  /* of the result */
    size_t extra; /* asked for, written to, and taken back */
    unsigned char byte;
    bool by_append;
    enum end end;
};

/* Fills size bytes and extra bytes, and takes the extra ones back. */
static int child_fills(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct order *order = args;
    (void)args_size;
    if (order->by_append) {
        for (size_t i = 0; i < order->size + order->extra; i++)
            if (forkcall_buf_append(result, &order->byte, 1) < 0)
                return 0;
    } else {
        void *to = forkcall_buf_extend(result, order->size + order->extra);
        if (to == NULL)
            return 0;
        memset(to, order->byte, order->size + order->extra);
    }
    if (order->end == FAILS)
        return 7;
    if (order->end == IS_KILLED)
        raise(SIGKILL);
    if (order->end == EXITS)
        _exit(3);
    return forkcall_buf_truncate(result, order->size);
}

static struct forkcall_report call(struct order order, struct forkcall_buf *result)
{
    return run_tested(child_fills, &order, sizeof order, result, NULL);
}

/* As assert_status, for a report that has no place of its own. */
static void assert_ends_at(struct forkcall_report report, enum forkcall_status wanted, int line)
{
    assert_status_at(&report, wanted, __FILE__, line);
}
#define assert_ends(report, wanted) assert_ends_at(report, wanted, __LINE__)

static bool are_all(const unsigned char *data, size_t size, unsigned char byte)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != byte)
            return false;
    return true;
}

static bool holds(const struct forkcall_buf *buf, size_t size, unsigned char byte)
{
    return buf->size == size && are_all(buf->data, size, byte);
}

static void children_write_into_the_callers_own_memory(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 4096, 64 * KIB, 600 * KIB, CAPACITY, 2 * MIB, 5};
    struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
    unsigned char byte = 1;
    const void *data = NULL;
    assert_int_equal(result.size, 0);
    for (int by_append = 0; by_append < 2; by_append++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++, byte++) {
            const size_t extra = sizes[i] < CAPACITY ? 1 : 0;
            assert_ends(call((struct order){sizes[i], extra, byte, by_append != 0, RETURNS}, &result), FORKCALL_OK);
            assert_true(holds(&result, sizes[i], byte));
            /* A copy of the result would not have the byte that was taken back. */
            assert_true(are_all((unsigned char *)result.data + sizes[i], extra, byte));
            assert_true(data == NULL || result.data == data);
            data = result.data;
        }
    forkcall_buf_free(&result);
    assert_null(result.data);
    assert_int_equal(result.size, 0);
}

static void a_small_buffer_holds_exactly_its_capacity(void **state)
{
    (void)state;
    static const size_t capacities[] = {0, 1, 5000, 128 * KIB, 384 * KIB, 2 * MIB + 1};
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        const size_t capacity = capacities[i];
        struct forkcall_buf result = forkcall_buf_shared(capacity);
        assert_ends(call((struct order){capacity, 0, 0x11, false, RETURNS}, &result), FORKCALL_OK);
        assert_true(holds(&result, capacity, 0x11));
        for (int by_append = 0; by_append < 2; by_append++) {
            const struct forkcall_report report =
                call((struct order){capacity + 1, 0, 0x22, by_append != 0, RETURNS}, &result);
            assert_status(report, FORKCALL_TOO_BIG);
            assert_int_equal(report.code, EFBIG);
            assert_int_equal(result.size, 0);
        }
        assert_ends(call((struct order){capacity, 0, 0x33, false, RETURNS}, &result), FORKCALL_OK);
        assert_true(holds(&result, capacity, 0x33));
        forkcall_buf_free(&result);
    }
}

static void max_result_counts_where_it_is_less_than_the_capacity(void **state)
{
    (void)state;
    const struct forkcall_options options = {.max_result = 100};
    struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
    struct order order = {100, 0, 1, false, RETURNS};
    assert_ends(run_tested(child_fills, &order, sizeof order, &result, &options), FORKCALL_OK);
    assert_true(holds(&result, 100, 1));
    order.size++;
    assert_ends(run_tested(child_fills, &order, sizeof order, &result, &options), FORKCALL_TOO_BIG);
    assert_int_equal(result.size, 0);
    forkcall_buf_free(&result);
}

static void a_call_that_is_not_OK_leaves_no_size_of_another(void **state)
{
    (void)state;
    static const struct {
        enum end end;
        enum forkcall_status status;
    } ends[] = {{FAILS, FORKCALL_FAILED}, {IS_KILLED, FORKCALL_SIGNALED}, {EXITS, FORKCALL_EXITED}};
    struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        assert_ends(call((struct order){MIB, 0, 1, false, RETURNS}, &result), FORKCALL_OK);
        assert_ends(call((struct order){4096, 0, 2, false, ends[i].end}, &result), ends[i].status);
        assert_int_equal(result.size, 0);
        assert_ends(call((struct order){10, 0, 3, false, RETURNS}, &result), FORKCALL_OK);
        assert_true(holds(&result, 10, 3));
    }
    forkcall_buf_free(&result);
}

/* ---- The buffer by itself -------------------------------------------------------------------- */

static void the_host_uses_it_as_any_buffer(void **state)
{
    (void)state;
    struct forkcall_buf buf = forkcall_buf_shared(5000);
    assert_int_equal(forkcall_buf_append(&buf, "abc", 3), 0);
    unsigned char *to = forkcall_buf_extend(&buf, 4997);
    assert_non_null(to);
    memset(to, 'x', 4997);
    assert_int_equal(forkcall_buf_append(&buf, "y", 1), -EFBIG);
    assert_null(forkcall_buf_extend(&buf, 1));
    assert_int_equal(buf.size, 5000);
    assert_memory_equal(buf.data, "abcx", 4);
    assert_int_equal(forkcall_buf_truncate(&buf, 2), 0);
    assert_int_equal(forkcall_buf_append(&buf, "z", 1), 0);
    assert_memory_equal(buf.data, "abz", 3);
    assert_ends(call((struct order){4, 0, 'q', true, RETURNS}, &buf), FORKCALL_OK);
    assert_true(holds(&buf, 4, 'q'));
    forkcall_buf_free(&buf);
    assert_int_equal(forkcall_buf_append(&buf, "again", 5), 0);
    assert_memory_equal(buf.data, "again", 5);
    forkcall_buf_free(&buf);
}

static void more_than_there_is_memory_for_is_told(void **state)
{
    (void)state;
    static const size_t capacities[] = {SIZE_MAX, PTRDIFF_MAX, (size_t)PTRDIFF_MAX - 4 * MIB};
    /* A process of 32 bits may well find half of its addresses free. */
    const size_t count = sizeof(void *) == 4 ? 2 : 3;
    for (size_t i = 0; i < count; i++) {
        struct forkcall_buf result = forkcall_buf_shared(capacities[i]);
        const struct forkcall_report report = call((struct order){1, 0, 1, false, RETURNS}, &result);
        assert_status(report, FORKCALL_NOT_STARTED);
        assert_int_equal(report.code, ENOMEM);
        assert_non_null(strstr(report.message, "result"));
        assert_int_equal(forkcall_buf_append(&result, "x", 1), -ENOMEM);
        forkcall_buf_free(&result);
    }
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    assert_true(warm_up());
    for (int round = 0; round < 2; round++) {
        const struct traces before = traces_now();
        struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
        for (unsigned char byte = 1; byte < 4; byte++)
            assert_ends(call((struct order){MIB, 0, byte, false, RETURNS}, &result), FORKCALL_OK);
        forkcall_buf_free(&result);
        forkcall_buf_free(&result);
        assert_no_traces(before, round == 1);
    }
}

/* ---- Calls that run -------------------------------------------------------------------------- */

struct held_order {
    int fd; /* the child waits until it can read from there */
    struct order order;
};

static int child_fills_when_told(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct held_order *held = args;
    char byte;
    (void)args_size;
    if (read(held->fd, &byte, 1) != 1)
        return 9;
    return child_fills(&held->order, sizeof held->order, result);
}

static struct forkcall_call *start_held(const int ends[2], struct order order, struct forkcall_buf *result)
{
    const struct held_order held = {ends[0], order};
    const struct forkcall_options options = {.keep_fds = ends, .keep_fds_count = 1};
    struct forkcall_call *call;
    assert_int_equal(start_tested(&call, child_fills_when_told, &held, sizeof held, result, &options), 0);
    return call;
}

static void another_call_may_not_use_it_meanwhile(void **state)
{
    (void)state;
    int ends[2];
    struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
    struct forkcall_call *inner;
    assert_int_equal(pipe(ends), 0);
    struct forkcall_call *outer = start_held(ends, (struct order){MIB, 0, 5, false, RETURNS}, &result);
    const struct order order = {10, 0, 6, false, RETURNS};
    assert_int_equal(start_tested(&inner, child_fills, &order, sizeof order, &result, NULL), 0);
    const struct forkcall_report refused = forkcall_finish(inner);
    assert_status(refused, FORKCALL_NOT_STARTED);
    assert_int_equal(refused.code, EINVAL);
    assert_non_null(strstr(refused.message, "result: "));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_ends(forkcall_finish(outer), FORKCALL_OK);
    assert_true(holds(&result, MIB, 5));
    assert_ends(call(order, &result), FORKCALL_OK);
    assert_true(holds(&result, 10, 6));
    forkcall_buf_free(&result);
    close(ends[0]);
    close(ends[1]);
}

/* Against the rules. The child goes on, in memory of its own from then on. */
static void freed_while_a_call_runs_it_gets_no_result(void **state)
{
    (void)state;
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int replaced = 0; replaced < 2; replaced++) {
        int ends[2];
        struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
        assert_int_equal(pipe(ends), 0);
        struct forkcall_call *held = start_held(ends, (struct order){MIB, 0, 5, false, RETURNS}, &result);
        forkcall_buf_free(&result);
        if (replaced)
            result = forkcall_buf_shared(CAPACITY);
        assert_int_equal(write(ends[1], "x", 1), 1);
        assert_ends(forkcall_finish(held), FORKCALL_TOO_BIG);
        assert_int_equal(result.size, 0);
        forkcall_buf_free(&result);
        close(ends[0]);
        close(ends[1]);
    }
    assert_no_traces(before, false);
}

/* ---- Inside the function --------------------------------------------------------------------- */

static int child_frees_and_appends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    forkcall_buf_append(result, "lost", 4);
    forkcall_buf_free(result);
    return result->size != 0 ? 95 : child_fills(args, args_size, result);
}

static void a_function_may_free_its_result(void **state)
{
    (void)state;
    struct forkcall_buf result = forkcall_buf_shared(MIB);
    struct order order = {MIB, 0, 8, false, RETURNS};
    assert_ends(run_tested(child_frees_and_appends, &order, sizeof order, &result, NULL), FORKCALL_OK);
    assert_true(holds(&result, MIB, 8));
    order.size++;
    assert_ends(run_tested(child_frees_and_appends, &order, sizeof order, &result, NULL), FORKCALL_TOO_BIG);
    assert_int_equal(result.size, 0);
    forkcall_buf_free(&result);
}

static int child_calls(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    const struct forkcall_report report = forkcall_run(child_fills, args, args_size, result, &options);
    return report.status == FORKCALL_OK ? forkcall_buf_append(result, "!", 1) : 94;
}

static void a_nested_call_may_fill_it(void **state)
{
    (void)state;
    struct forkcall_buf result = forkcall_buf_shared(MIB);
    const struct order order = {MIB - 1, 0, '?', false, RETURNS};
    assert_ends(run_tested(child_calls, &order, sizeof order, &result, NULL), FORKCALL_OK);
    assert_int_equal(result.size, MIB);
    assert_true(are_all(result.data, MIB - 1, '?'));
    assert_int_equal(((char *)result.data)[MIB - 1], '!');
    forkcall_buf_free(&result);
}

/* ---- Other ways to a result ------------------------------------------------------------------ */

static void an_inline_call_fills_it(void **state)
{
    (void)state;
    const struct forkcall_options options = {.method = FORKCALL_INLINE};
    struct forkcall_buf result = forkcall_buf_shared(1000);
    struct order order = {1000, 0, 4, false, RETURNS};
    assert_ends(forkcall_run(child_fills, &order, sizeof order, &result, &options), FORKCALL_OK);
    assert_true(holds(&result, 1000, 4));
    order.size++;
    assert_ends(forkcall_run(child_fills, &order, sizeof order, &result, &options), FORKCALL_TOO_BIG);
    assert_int_equal(result.size, 0);
    forkcall_buf_free(&result);
}

static void a_map_fills_one_for_each_item(void **state)
{
    (void)state;
    struct forkcall_map_options options = {.call = {.method = tested_method()}, .processes = 2};
    struct order orders[3];
    struct forkcall_buf results[3];
    for (unsigned char i = 0; i < 3; i++) {
        orders[i] = (struct order){600 * KIB + i, 0, (unsigned char)(i + 1), false, RETURNS};
        results[i] = forkcall_buf_shared(MIB);
    }
    for (int round = 0; round < 4; round++) {
        options.items_per_child = round < 2 ? 1 : 2; /* more than one: the results are copied */
        assert_ends(forkcall_map(child_fills, orders, sizeof *orders, 3, results, NULL, &options), FORKCALL_OK);
        for (unsigned char i = 0; i < 3; i++)
            assert_true(holds(&results[i], orders[i].size, orders[i].byte));
    }
    for (int i = 0; i < 3; i++)
        forkcall_buf_free(&results[i]);
}

/* ---- Hosts ----------------------------------------------------------------------------------- */

static int host_forks(void *context)
{
    struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
    int status;
    (void)context;
    CHECK(call((struct order){MIB, 0, 1, false, RETURNS}, &result).status == FORKCALL_OK);
    const pid_t pid = fork();
    if (pid == 0) {
        const bool good = holds(&result, MIB, 1);
        forkcall_buf_free(&result);
        _exit(good ? 0 : 1);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(holds(&result, MIB, 1));
    CHECK(call((struct order){MIB, 0, 2, false, RETURNS}, &result).status == FORKCALL_OK);
    CHECK(holds(&result, MIB, 2));
    forkcall_buf_free(&result);
    return 0;
}

static void a_fork_of_the_host_frees_its_own_buffer_only(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_forks, NULL), 0);
}

static int host_closes_all(void *context)
{
    struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
    (void)context;
    CHECK(call((struct order){MIB, 0, 1, false, RETURNS}, &result).status == FORKCALL_OK);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    int own[32]; /* get the numbers that were the library's */
    for (size_t i = 0; i < 32; i++)
        own[i] = dup(STDERR_FILENO);
    CHECK(call((struct order){MIB, 0, 2, false, RETURNS}, &result).status == FORKCALL_OK);
    CHECK(holds(&result, MIB, 2));
    forkcall_buf_free(&result);
    for (size_t i = 0; i < 32; i++)
        CHECK(own[i] < 0 || close(own[i]) == 0);
    return 0;
}

static void a_host_that_has_closed_its_descriptor_still_gets_results(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_closes_all, NULL), 0);
}

static int host_has_no_room(void *context)
{
    const struct rlimit *limit = context;
    struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
    CHECK(setrlimit(RLIMIT_FSIZE, limit) == 0);
    for (unsigned char byte = 1; byte < 3; byte++) {
        CHECK(call((struct order){CAPACITY, 0, byte, false, RETURNS}, &result).status == FORKCALL_OK);
        CHECK(holds(&result, CAPACITY, byte));
    }
    forkcall_buf_free(&result);
    return 0;
}

static void a_limit_on_files_is_no_limit_on_the_buffer(void **state)
{
    (void)state;
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    assert_int_equal(host_run(host_has_no_room, &limit), 0);
}

static int host_closes_what_the_function_does_not_need(void *context)
{
    const struct forkcall_options options = {.close_fds = true};
    const struct order order = {MIB, 1, 9, false, RETURNS};
    struct forkcall_buf result = forkcall_buf_shared(CAPACITY);
    (void)context;
    CHECK(run_tested(child_fills, &order, sizeof order, &result, &options).status == FORKCALL_OK);
    CHECK(holds(&result, MIB, 9) && are_all((unsigned char *)result.data + MIB, 1, 9));
    forkcall_buf_free(&result);
    return 0;
}

static void close_fds_leaves_the_child_its_memory(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_closes_what_the_function_does_not_need, NULL), 0);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_write_into_the_callers_own_memory),
        cmocka_unit_test(a_small_buffer_holds_exactly_its_capacity),
        cmocka_unit_test(max_result_counts_where_it_is_less_than_the_capacity),
        cmocka_unit_test(a_call_that_is_not_OK_leaves_no_size_of_another),
        cmocka_unit_test(the_host_uses_it_as_any_buffer),
        cmocka_unit_test(more_than_there_is_memory_for_is_told),
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(another_call_may_not_use_it_meanwhile),
        cmocka_unit_test(freed_while_a_call_runs_it_gets_no_result),
        cmocka_unit_test(a_function_may_free_its_result),
        cmocka_unit_test(a_nested_call_may_fill_it),
        cmocka_unit_test(an_inline_call_fills_it),
        cmocka_unit_test(a_map_fills_one_for_each_item),
        cmocka_unit_test(a_fork_of_the_host_frees_its_own_buffer_only),
        cmocka_unit_test(a_host_that_has_closed_its_descriptor_still_gets_results),
        cmocka_unit_test(a_limit_on_files_is_no_limit_on_the_buffer),
        cmocka_unit_test(close_fds_leaves_the_child_its_memory),
    };
    return cmocka_run_group_tests_name("shared buffer", tests, NULL, NULL);
}
