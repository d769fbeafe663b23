/* Tests struct forkcall_buf: every use and misuse. */
#include "support.h"

#include "result/buf.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

static void fill(struct forkcall_buf *buf, size_t size, unsigned seed)
{
    unsigned char *data = forkcall_buf_extend(buf, size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)((buf->size - size + i) * 13 + seed);
}

static void assert_filled(const struct forkcall_buf *buf, size_t size, unsigned seed)
{
    const unsigned char *data = buf->data;
    assert_int_equal(buf->size, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(data[i], (unsigned char)(i * 13 + seed));
}

static void NULL_everywhere(void **state)
{
    (void)state;
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    assert_int_equal(forkcall_buf_append(NULL, "x", 1), -EINVAL);
    assert_null(forkcall_buf_extend(NULL, 1));
    assert_int_equal(forkcall_buf_truncate(NULL, 0), -EINVAL);
    forkcall_buf_free(NULL);
    assert_int_equal(forkcall_buf_append(&buf, NULL, 1), -EINVAL);
    assert_int_equal(forkcall_buf_append(&buf, NULL, SIZE_MAX), -EINVAL);
    assert_int_equal(buf.size, 0);
    assert_int_equal(forkcall_buf_append(&buf, NULL, 0), 0);
    assert_int_equal(buf.size, 0);
    forkcall_buf_free(&buf);
    forkcall_buf_free(&buf);
}

static void zero_bytes(void **state)
{
    (void)state;
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    struct forkcall_buf none = forkcall_buf_fixed(NULL, 0);
    assert_non_null(forkcall_buf_extend(&buf, 0)); /* NULL would mean a failure. */
    assert_int_equal(forkcall_buf_append(&buf, "", 0), 0);
    assert_int_equal(forkcall_buf_truncate(&buf, 0), 0);
    assert_non_null(forkcall_buf_extend(&none, 0));
    assert_int_equal(forkcall_buf_append(&none, "x", 1), -EFBIG);
    assert_int_equal(none.size, 0);
    assert_int_equal(buf.size, 0);
    forkcall_buf_free(&buf);
}

static void sizes_that_overflow(void **state)
{
    (void)state;
    static const size_t huge[] = {SIZE_MAX,          SIZE_MAX - 1,     SIZE_MAX - 99,   SIZE_MAX - 100,
                                  SIZE_MAX - 101,    SIZE_MAX / 2 + 1, PTRDIFF_MAX,     PTRDIFF_MAX - 1,
                                  PTRDIFF_MAX - 100, PTRDIFF_MAX - 99, PTRDIFF_MAX - 64};
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    fill(&buf, 100, 1);
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        assert_null(forkcall_buf_extend(&buf, huge[i]));
        assert_int_equal(forkcall_buf_append(&buf, buf.data, huge[i]), -ENOMEM);
        assert_filled(&buf, 100, 1);
    }
    /* After a failed append the buffer still takes more. */
    fill(&buf, 100, 1);
    assert_filled(&buf, 200, 1);
    forkcall_buf_free(&buf);
}

static void struct_that_holds_garbage(void **state)
{
    (void)state;
    struct forkcall_buf garbage;
    struct forkcall_buf before;
    memset(&garbage, 0xa5, sizeof garbage);
    before = garbage;
    assert_null(forkcall_buf_extend(&garbage, 1));
    assert_int_equal(forkcall_buf_append(&garbage, "x", 1), -EINVAL);
    assert_memory_equal(&garbage, &before, sizeof before);

    struct forkcall_buf bad = FORKCALL_BUF_INIT;
    bad.size = 5; /* The size exceeds the capacity. */
    assert_int_equal(forkcall_buf_append(&bad, "x", 1), -EINVAL);
    bad = forkcall_buf_fixed(NULL, 10); /* The storage is NULL. */
    assert_null(forkcall_buf_extend(&bad, 1));
    assert_int_equal(forkcall_buf_append(&bad, "x", 1), -EINVAL);
}

static void growth_keeps_the_bytes_and_aligns(void **state)
{
    (void)state;
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    for (size_t step = 0; step < 700; step++) {
        fill(&buf, step, 3);
        assert_int_equal((uintptr_t)buf.data % _Alignof(max_align_t), 0);
    }
    assert_filled(&buf, 700 * 699 / 2, 3);
    forkcall_buf_free(&buf);
}

static void truncated_shorter_but_not_longer(void **state)
{
    (void)state;
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    fill(&buf, 100, 9);
    assert_int_equal(forkcall_buf_truncate(&buf, 101), -EINVAL);
    assert_int_equal(forkcall_buf_truncate(&buf, SIZE_MAX), -EINVAL);
    assert_int_equal(forkcall_buf_truncate(&buf, 100), 0);
    assert_filled(&buf, 100, 9);
    assert_int_equal(forkcall_buf_truncate(&buf, 40), 0);
    assert_filled(&buf, 40, 9);
    fill(&buf, 60, 9);
    assert_filled(&buf, 100, 9);
    assert_int_equal(forkcall_buf_truncate(&buf, 0), 0);
    assert_int_equal(buf.size, 0);
    forkcall_buf_free(&buf);
}

static void fixed_storage_to_its_last_byte(void **state)
{
    (void)state;
    char storage[10] = "..........";
    const char before[10] = "..........";
    for (size_t capacity = 0; capacity < sizeof storage; capacity++) {
        memcpy(storage, before, sizeof storage);
        struct forkcall_buf buf = forkcall_buf_fixed(storage, capacity);
        for (size_t i = 0; i < capacity; i++)
            assert_int_equal(forkcall_buf_append(&buf, "x", 1), 0);
        assert_int_equal(forkcall_buf_append(&buf, "y", 1), -EFBIG);
        assert_null(forkcall_buf_extend(&buf, 1));
        assert_null(forkcall_buf_extend(&buf, SIZE_MAX));
        assert_int_equal(forkcall_buf_append(&buf, "yy", SIZE_MAX - capacity), -EFBIG);
        assert_int_equal(buf.size, capacity);
        assert_ptr_equal(buf.data, storage); /* A fixed buffer never allocates. */
        for (size_t i = 0; i < sizeof storage; i++)
            assert_int_equal(storage[i], i < capacity ? 'x' : '.');
        forkcall_buf_free(&buf);
        for (size_t i = 0; i < capacity; i++)
            assert_int_equal(storage[i], 'x');
        assert_int_equal(buf.size, 0);
    }
}

static void shared_memory_to_its_last_byte(void **state)
{
    (void)state;
    static const size_t capacities[] = {1, 100, 65536, (size_t)384 << 10, ((size_t)2 << 20) + 1};
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        struct forkcall_buf buf = forkcall_buf_shared(capacities[i]);
        assert_int_equal(fc_buf_limit(&buf), capacities[i]);
        assert_non_null(forkcall_buf_extend(&buf, 0));
        fill(&buf, capacities[i], 3);
        const void *data = buf.data;
        assert_int_equal((uintptr_t)data % _Alignof(max_align_t), 0);
        assert_null(forkcall_buf_extend(&buf, 1));
        assert_null(forkcall_buf_extend(&buf, SIZE_MAX));
        assert_int_equal(fc_buf_error(&buf), -EFBIG);
        assert_filled(&buf, capacities[i], 3);
        assert_int_equal(forkcall_buf_truncate(&buf, 0), 0);
        fill(&buf, capacities[i], 4);
        assert_ptr_equal(buf.data, data);
        assert_filled(&buf, capacities[i], 4);
        forkcall_buf_free(&buf);
        assert_int_equal(fc_buf_limit(&buf), PTRDIFF_MAX); /* an empty buffer like any */
    }
}

static void shared_memory_that_says_a_size_without_bytes_is_garbage(void **state)
{
    (void)state;
    struct forkcall_buf buf = forkcall_buf_shared(100);
    buf.size = 1;
    assert_false(fc_buf_is_valid(&buf));
    assert_int_equal(forkcall_buf_append(&buf, "x", 1), -EINVAL);
    buf.size = 0;
    assert_true(fc_buf_is_valid(&buf));
    buf.kind_private = FC_BUF_SHARED + 1;
    assert_false(fc_buf_is_valid(&buf));
}

static void freed_and_used_again(void **state)
{
    (void)state;
    const struct forkcall_buf empty = FORKCALL_BUF_INIT;
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    for (int i = 0; i < 3; i++) {
        fill(&buf, 1000, (unsigned)i);
        assert_filled(&buf, 1000, (unsigned)i);
        forkcall_buf_free(&buf);
        assert_memory_equal(&buf, &empty, sizeof empty);
    }
}

static int failing_growth(void *unused)
{
    (void)unused;
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    const struct rlimit limit = {(rlim_t)256 << 20, (rlim_t)256 << 20};
    CHECK(forkcall_buf_append(&buf, "kept", 4) == 0);
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(forkcall_buf_extend(&buf, (size_t)512 << 20) == NULL);
    CHECK(forkcall_buf_append(&buf, "x", (size_t)512 << 20) == -ENOMEM);
    CHECK(buf.size == 4 && memcmp(buf.data, "kept", 4) == 0);
    CHECK(forkcall_buf_append(&buf, "!", 1) == 0);
    CHECK(buf.size == 5 && memcmp(buf.data, "kept!", 5) == 0);
    forkcall_buf_free(&buf);
    return 0;
}

static void memory_that_is_not_to_be_had(void **state)
{
    (void)state;
    if (under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("RLIMIT_AS does not work here");
    assert_int_equal(host_run(failing_growth, NULL), 0);
}

/* ---- As the result of calls ------------------------------------------------------------------ */

static int child_fills(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = *(const size_t *)args;
    unsigned char *data = forkcall_buf_extend(result, size);
    (void)args_size;
    if (data == NULL)
        return ENOMEM;
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 13 + size);
    return 0;
}

static void one_buffer_for_many_calls(void **state)
{
    (void)state;
    static const size_t sizes[] = {10, 5000000, 10, 0, 40000, 3000000, 6000000, 100, 5000000};
    static unsigned char storage[6000000];
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    const struct traces before = traces_now();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct forkcall_report report = forkcall_run(child_fills, &sizes[i], sizeof *sizes, &buf, NULL);
        assert_status(report, FORKCALL_OK);
        assert_filled(&buf, sizes[i], (unsigned)sizes[i]);
        assert_int_equal((uintptr_t)buf.data % _Alignof(max_align_t), 0);
        const struct forkcall_report failed = forkcall_run(child_fails_7, NULL, 0, i % 2 == 0 ? &buf : NULL, NULL);
        assert_status(failed, FORKCALL_FAILED);
        assert_int_equal(buf.size, i % 2 == 0 ? 0 : sizes[i]);
    }
    forkcall_buf_free(&buf);
    buf = forkcall_buf_fixed(storage, sizeof storage);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct forkcall_report report = forkcall_run(child_fills, &sizes[i], sizeof *sizes, &buf, NULL);
        assert_status(report, FORKCALL_OK);
        assert_filled(&buf, sizes[i], (unsigned)sizes[i]);
        assert_ptr_equal(buf.data, storage);
    }
    forkcall_buf_free(&buf);
    assert_no_traces(before, false);
}

static void received_result_goes_on_growing(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 100, 40000, 5000001, 6291456};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct forkcall_buf buf = FORKCALL_BUF_INIT;
        const struct forkcall_report report = forkcall_run(child_fills, &sizes[i], sizeof *sizes, &buf, NULL);
        assert_status(report, FORKCALL_OK);
        fill(&buf, 1, (unsigned)sizes[i]);
        fill(&buf, 100000, (unsigned)sizes[i]);
        assert_filled(&buf, sizes[i] + 100001, (unsigned)sizes[i]);
        assert_int_equal(forkcall_buf_truncate(&buf, sizes[i]), 0);
        assert_filled(&buf, sizes[i], (unsigned)sizes[i]);
        /* The caller may write to the result, because the memory is its own. */
        ((unsigned char *)buf.data)[0] = 1;
        forkcall_buf_free(&buf);
    }
}

static int child_adds_1(const void *args, size_t args_size, struct forkcall_buf *result)
{
    unsigned char *to = forkcall_buf_extend(result, args_size);
    if (to == NULL)
        return ENOMEM;
    for (size_t i = 0; i < args_size; i++)
        to[i] = (unsigned char)(((const unsigned char *)args)[i] + 1);
    return 0;
}

static void args_inside_the_result_buffer(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 1000, 50000, 2500000};
    static unsigned char storage[2500000];
    static const enum forkcall_method methods[] = {FORKCALL_FORK, FORKCALL_INLINE};
    for (size_t i = 0; i < 16; i++) {
        const size_t size = sizes[i % 4];
        const struct forkcall_options options = {.method = methods[i / 4 % 2]};
        struct forkcall_buf buf = FORKCALL_BUF_INIT;
        if (i / 8 == 1)
            buf = forkcall_buf_fixed(storage, sizeof storage);
        fill(&buf, size, 0);
        for (int call = 0; call < 3; call++) {
            const struct forkcall_report report = forkcall_run(child_adds_1, buf.data, buf.size, &buf, &options);
            assert_status(report, FORKCALL_OK);
        }
        assert_filled(&buf, size, 3);
        const struct forkcall_report report =
            forkcall_run(child_adds_1, (char *)buf.data + 1, size - 1, &buf, &options);
        assert_status(report, FORKCALL_OK);
        assert_filled(&buf, size - 1, 4 + 13);
        forkcall_buf_free(&buf);
    }
}

/* ---- A failure sticks to the result ---------------------------------------------------------- */

static int child_ignores_a_failure(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const bool forgives = *(const bool *)args;
    (void)args_size;
    forkcall_buf_append(result, "kept", 4);
    if (forkcall_buf_extend(result, (size_t)PTRDIFF_MAX - 2) != NULL)
        return 99;
    if (forgives)
        forkcall_buf_truncate(result, result->size);
    return 0;
}

static void ignored_failure_is_no_success(void **state)
{
    (void)state;
    static const enum forkcall_method methods[] = {FORKCALL_FORK, FORKCALL_INLINE};
    for (size_t i = 0; i < 8; i++) {
        const bool forgives = i % 2 == 1;
        const bool limited = i / 2 % 2 == 1;
        const struct forkcall_options options = {.method = methods[i / 4], .max_result = limited ? 1000 : 0};
        struct forkcall_buf buf = FORKCALL_BUF_INIT;
        const struct forkcall_report report =
            forkcall_run(child_ignores_a_failure, &forgives, sizeof forgives, &buf, &options);
        if (forgives) {
            assert_status(report, FORKCALL_OK);
            assert_int_equal(buf.size, 4);
        } else {
            assert_status(report, limited ? FORKCALL_TOO_BIG : FORKCALL_FAILED);
            assert_int_equal(report.code, limited ? EFBIG : ENOMEM);
            assert_int_equal(report.ran, FORKCALL_RAN_YES);
            assert_int_equal(buf.size, 0);
        }
        forkcall_buf_free(&buf);
    }
}

/* The buffer may be the result of an outer call, whose function copes with the failure. */
static void delivery_that_fails_leaves_an_empty_buffer_without_an_error(void **state)
{
    char storage[21] = "more than fits there";
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    (void)state;
    fc_buf_set_limit(&buf, 10);
    for (int delivered = 0; delivered < 2; delivered++) {
        struct forkcall_buf from = forkcall_buf_fixed(storage, sizeof storage);
        fill(&from, sizeof storage, 5);
        assert_int_equal(fc_buf_deliver(&buf, &from), -EFBIG);
        assert_int_equal(buf.size, 0);
        assert_int_equal(fc_buf_error(&buf), 0);
        assert_int_equal(from.size, 0);
        from = forkcall_buf_fixed(storage, sizeof storage);
        fill(&from, 10, 6);
        assert_int_equal(fc_buf_deliver(&buf, &from), 0);
        assert_filled(&buf, 10, 6);
    }
    assert_int_equal(forkcall_buf_append(&buf, "x", 1), -EFBIG);
    struct forkcall_buf none = FORKCALL_BUF_INIT;
    assert_int_equal(fc_buf_deliver(&buf, &none), 0); /* an earlier error is gone, too */
    assert_int_equal(buf.size, 0);
    assert_int_equal(fc_buf_error(&buf), 0);
    forkcall_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(NULL_everywhere),
        cmocka_unit_test(zero_bytes),
        cmocka_unit_test(sizes_that_overflow),
        cmocka_unit_test(struct_that_holds_garbage),
        cmocka_unit_test(growth_keeps_the_bytes_and_aligns),
        cmocka_unit_test(truncated_shorter_but_not_longer),
        cmocka_unit_test(fixed_storage_to_its_last_byte),
        cmocka_unit_test(shared_memory_to_its_last_byte),
        cmocka_unit_test(shared_memory_that_says_a_size_without_bytes_is_garbage),
        cmocka_unit_test(freed_and_used_again),
        cmocka_unit_test(memory_that_is_not_to_be_had),
        cmocka_unit_test(one_buffer_for_many_calls),
        cmocka_unit_test(received_result_goes_on_growing),
        cmocka_unit_test(args_inside_the_result_buffer),
        cmocka_unit_test(ignored_failure_is_no_success),
        cmocka_unit_test(delivery_that_fails_leaves_an_empty_buffer_without_an_error),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
