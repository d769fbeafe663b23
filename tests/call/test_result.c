/* Tests results of every size, made in every way, and received in every kind of buffer: each must
 * be whole. */
#include "support.h"

#include "result/buf.h"
#include "result/region.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum way { ONE_EXTEND, MANY_APPENDS, TRUNCATED, WAYS };

struct order {
    size_t size;
    enum way way;
};

/* The 8 bytes at a position of the result. If a piece is lost, doubled or moved, they differ. */
static uint64_t word_at(size_t at)
{
    return (at / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void make_bytes(unsigned char *to, size_t at, size_t size)
{
    for (size_t i = 0; i < size;) {
        const uint64_t word = word_at(at + i);
        const size_t skip = (at + i) % 8;
        const size_t n = 8 - skip < size - i ? 8 - skip : size - i;
        if (n == 8)
            memcpy(to + i, &word, 8);
        else
            memcpy(to + i, (const unsigned char *)&word + skip, n);
        i += n;
    }
}

static bool bytes_are_right(const unsigned char *data, size_t size)
{
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        const uint64_t word = word_at(i);
        if (memcmp(data + i, &word, 8) != 0)
            return false;
    }
    const uint64_t last = word_at(i);
    return memcmp(data + i, &last, size - i) == 0;
}

static int append_all(struct forkcall_buf *result, size_t size)
{
    unsigned char piece[4093];
    const size_t most = size > 100 * MIB ? sizeof piece : 509;
    for (size_t at = 0; at < size;) {
        const size_t n = most < size - at ? most : size - at;
        make_bytes(piece, at, n);
        if (forkcall_buf_append(result, piece, n) != 0)
            return 98;
        at += n;
    }
    return 0;
}

static int child_makes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct order *order = args;
    (void)args_size;
    if (order->way == MANY_APPENDS)
        return append_all(result, order->size);
    const size_t more = order->way == TRUNCATED ? 100 + order->size / 3 : 0;
    unsigned char *to = forkcall_buf_extend(result, order->size + more);
    if (to == NULL)
        return 99;
    if ((uintptr_t)to % _Alignof(max_align_t) != 0)
        return 97;
    make_bytes(to, 0, order->size);
    if (more > 0)
        memset(to + order->size, 0xee, more);
    return forkcall_buf_truncate(result, order->size);
}

static void assert_result(const struct forkcall_report *report, const struct forkcall_buf *result, size_t size)
{
    assert_status(*report, FORKCALL_OK);
    assert_int_equal(report->ran, FORKCALL_RAN_YES);
    assert_int_equal(result->size, size);
    if (size > 0)
        assert_int_equal((uintptr_t)result->data % _Alignof(max_align_t), 0);
    assert_true(size == 0 || bytes_are_right(result->data, size));
}

/* Receives the result in a new buffer, in storage of exactly its size, and not at all. */
static void try_everywhere(struct order order, const struct forkcall_options *options)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_report report = run_tested(child_makes, &order, sizeof order, &result, options);
    assert_result(&report, &result, order.size);
    forkcall_buf_free(&result);

    /* A truncated result was larger before, so it would not fit. */
    if (order.way != TRUNCATED) {
        void *storage = malloc(order.size + 1);
        assert_non_null(storage);
        result = forkcall_buf_fixed(storage, order.size);
        report = run_tested(child_makes, &order, sizeof order, &result, options);
        assert_result(&report, &result, order.size);
        assert_ptr_equal(result.data, storage);
        free(storage);
    }
    report = run_tested(child_makes, &order, sizeof order, NULL, options);
    assert_status(report, FORKCALL_OK);
}

static void results_around_every_threshold(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,       1,     7,       255,         256,           257,         1023,
                                   1024,    1025,  4095,    4096,        4097,          32767,       32768,
                                   32769,   65535, 65536,   65537,       256 * KIB - 1, 256 * KIB,   256 * KIB + 1,
                                   MIB - 1, MIB,   MIB + 1, 2 * MIB - 1, 2 * MIB,       2 * MIB + 1, 4 * MIB + 1};
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int way = 0; way < WAYS; way++)
            try_everywhere((struct order){sizes[i], (enum way)way}, NULL);
    assert_no_traces(before, false);
}

static void result_of_16_MiB(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++)
        try_everywhere((struct order){16 * MIB, (enum way)way}, NULL);
}

static void large_result(size_t size)
{
    for (int way = 0; way < WAYS; way++) {
        const struct order order = {size, (enum way)way};
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report = run_tested(child_makes, &order, sizeof order, &result, NULL);
        assert_result(&report, &result, size);
        forkcall_buf_free(&result);
    }
}

static void result_of_256_MiB(void **state)
{
    (void)state;
    if (memory_available() < 2UL << 20)
        SKIP("less than 2 GiB of memory are available");
    if (under_valgrind() || under_emulator())
        SKIP("takes too long here");
    large_result(256 * MIB);
}

static void result_of_1_GiB(void **state)
{
    (void)state;
    if (memory_available() < 4UL << 20)
        SKIP("less than 4 GiB of memory are available");
    if (under_valgrind() || under_emulator() || under_sanitizer() || sizeof(size_t) < 8)
        SKIP("takes too long, or there is no room for it, here");
    large_result(1024 * MIB);
}

/* With this limit a large result cannot use shared memory, so all of it goes through the pipe. */
static void large_result_through_the_pipe(void **state)
{
    (void)state;
    const struct forkcall_options options = {.limits = {.file_size_bytes = 4096}};
    static const size_t sizes[] = {32769, 65537, MIB + 1, 16 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int way = 0; way < WAYS; way++)
            try_everywhere((struct order){sizes[i], (enum way)way}, &options);
}

/* The child cannot write the whole result before the host reads, and the host reads only in
 * forkcall_finish(). */
static void result_larger_than_the_pipe_and_nobody_reads(void **state)
{
    (void)state;
    const struct forkcall_options by_pipe = {.limits = {.file_size_bytes = 4096}};
    for (int i = 0; i < 2; i++) {
        const struct order order = {8 * MIB, ONE_EXTEND};
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        struct forkcall_call *call;
        assert_int_equal(start_tested(&call, child_makes, &order, sizeof order, &result, i == 0 ? NULL : &by_pipe), 0);
        assert_int_equal(result.size, 0);
        const struct forkcall_report report = forkcall_finish(call);
        assert_result(&report, &result, order.size);
        forkcall_buf_free(&result);
    }
}

static bool no_region(void)
{
    const int fd = fc_region_open();
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

struct pieces {
    size_t size, first;
};

/* Appends a first piece, takes back some of it, and appends the rest. */
static int child_appends_large_pieces(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct pieces *pieces = args;
    const size_t size = pieces->size;
    unsigned char *bytes = malloc(size);
    (void)args_size;
    if (bytes == NULL)
        return 99;
    make_bytes(bytes, 0, size);
    int r = forkcall_buf_append(result, bytes, pieces->first);
    if (r == 0)
        r = forkcall_buf_truncate(result, pieces->first - pieces->first / 3);
    if (r == 0)
        r = forkcall_buf_append(result, bytes + result->size, size - result->size);
    free(bytes);
    return r;
}

static void large_pieces_are_appended_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {20 * KIB, 40 * KIB + 1, 70001, 300 * KIB, 700 * KIB + 7, 5 * MIB};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const size_t size = sizes[i / 2];
        const struct pieces pieces = {size, i % 2 == 0 ? size / 2 : 3000};
        const struct forkcall_report report =
            run_tested(child_appends_large_pieces, &pieces, sizeof pieces, &result, NULL);
        assert_result(&report, &result, size);
        forkcall_buf_free(&result);
    }
}

/* ---- Cost of room that is only reserved ------------------------------------------------------ */

/* The resident memory of this process that is shared with files, memory files included, in bytes;
 * 0: unknown. */
static size_t shared_rss(void)
{
    char line[200];
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    const char *at = fgets(line, sizeof line, file);
    fclose(file);
    for (int i = 0; at != NULL && i < 2; i++) { /* Skips the total size and the resident size. */
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
    }
    return at != NULL ? strtoul(at, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

/* What this process has in memory, and what its memory files hold beyond that. */
static size_t memory_taken(void)
{
    struct stat file;
    size_t in_files = 0;
    const size_t mapped = shared_rss();
    for (int fd = 3; fd < 256; fd++)
        if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 0)
            in_files += (size_t)file.st_blocks * 512;
    return in_files > mapped ? in_files : mapped;
}

struct cost {
    size_t size, before, reserved, shortened;
};

/* Reserves room for the worst case, uses one byte of it, does the same again, and answers with the
 * memory that this has taken. */
static int child_reserves_for_the_worst_case(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct cost cost = {.size = *(const size_t *)args, .before = memory_taken()};
    (void)args_size;
    for (int i = 0; i < 2; i++) {
        char *to = forkcall_buf_extend(result, cost.size + (size_t)i * cost.size);
        if (to == NULL)
            return ENOMEM;
        *to = 'x';
        cost.reserved = memory_taken();
        if (forkcall_buf_truncate(result, 1) < 0)
            return 1;
    }
    if (forkcall_buf_truncate(result, 0) < 0)
        return 1;
    cost.shortened = memory_taken();
    return forkcall_buf_append(result, &cost, sizeof cost);
}

static void what_is_only_reserved_costs_little(void **state)
{
    (void)state;
    const size_t size = 512 * MIB;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    if (sizeof(size_t) < 8 || under_sanitizer() || under_valgrind() || under_emulator() || shared_rss() == 0)
        SKIP("what a process has in memory cannot be told here");
    /* After the first call the library knows how little of it is used. */
    static const size_t most[] = {40 * MIB, 8 * MIB, 8 * MIB};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        const struct forkcall_report report =
            run_tested(child_reserves_for_the_worst_case, &size, sizeof size, &result, NULL);
        assert_status(report, FORKCALL_OK);
        const struct cost *cost = result.data;
        assert_int_equal(result.size, sizeof *cost);
        assert_true(cost->reserved - cost->before < most[i]);
        assert_true(cost->shortened - cost->before < most[i]);
    }
    forkcall_buf_free(&result);
}

/* ---- Mappings of the host -------------------------------------------------------------------- */

#define MANY 40

static size_t count_mapped(const struct forkcall_buf *results, size_t count)
{
    size_t mapped = 0;
    for (size_t i = 0; i < count; i++)
        mapped += results[i].kind_private == FC_BUF_MAPPED;
    return mapped;
}

/* Each mapping makes a fork slower. */
static void many_small_results_do_not_take_a_mapping_each(void **state)
{
    (void)state;
    static struct forkcall_buf results[MANY];
    const struct order order = {64 * KIB, ONE_EXTEND};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < MANY; i++) {
            results[i] = (struct forkcall_buf)FORKCALL_BUF_INIT;
            const struct forkcall_report report = run_tested(child_makes, &order, sizeof order, &results[i], NULL);
            assert_result(&report, &results[i], order.size);
        }
        const size_t mapped = count_mapped(results, MANY);
        /* By SERVER the child may still be there, and its result is copied then. */
        assert_true(mapped <= 16 && (mapped == 16 || no_region() || tested_method() == FORKCALL_SERVER));
        for (size_t i = 0; i < MANY; i++) {
            assert_true(bytes_are_right(results[i].data, results[i].size));
            forkcall_buf_free(&results[i]);
        }
    }
}

static int child_shortens(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct order order = {*(const size_t *)args, ONE_EXTEND};
    if (forkcall_buf_extend(result, 4 * MIB) == NULL || forkcall_buf_truncate(result, 0) < 0)
        return ENOMEM;
    return child_makes(&order, args_size, result);
}

static void a_small_result_keeps_no_huge_page(void **state)
{
    (void)state;
    static const size_t size = 100 * KIB;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = run_tested(child_shortens, &size, sizeof size, &result, NULL);
    assert_result(&report, &result, size);
    assert_int_not_equal(result.kind_private, FC_BUF_MAPPED);
    forkcall_buf_free(&result);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void assert_too_big(const struct forkcall_report *report, const struct forkcall_buf *result)
{
    assert_status(*report, FORKCALL_TOO_BIG);
    assert_int_equal(report->code, EFBIG);
    assert_int_equal(report->ran, FORKCALL_RAN_YES);
    assert_int_equal(result->size, 0);
    assert_string_not_equal(report->message, "");
}

/* Ignores that an append fails. */
static int child_appends_regardless(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct order *order = args;
    const size_t half = order->size / 2;
    char *bytes = calloc(1, order->size + 1);
    int r = 0;
    (void)args_size;
    if (bytes == NULL)
        return 99;
    r = forkcall_buf_append(result, bytes, half);
    if (r == 0)
        r = forkcall_buf_append(result, bytes, order->size - half);
    free(bytes);
    return order->way == ONE_EXTEND ? r : 0;
}

static void result_of_exactly_the_limit_and_one_more(void **state)
{
    (void)state;
    static const size_t limits[] = {1, 100, 4096, 32767, 32768, 32769, 70000, MIB, 3 * MIB};
    static unsigned char storage[3 * MIB + 1];
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        for (int j = 0; j < 8; j++) {
            const bool over = (j & 1) != 0;
            const bool fixed = (j & 2) != 0;
            const struct order order = {limits[i] + over, (j & 4) != 0 ? ONE_EXTEND : MANY_APPENDS};
            const struct forkcall_options options = {.max_result = fixed ? 0 : limits[i]};
            struct forkcall_buf result = FORKCALL_BUF_INIT;
            if (fixed)
                result = forkcall_buf_fixed(storage, limits[i]);
            storage[limits[i]] = 0x5a;
            const struct forkcall_report report =
                run_tested(child_appends_regardless, &order, sizeof order, &result, &options);
            if (over) {
                assert_too_big(&report, &result);
            } else {
                assert_status(report, FORKCALL_OK);
                assert_int_equal(result.size, limits[i]);
            }
            assert_int_equal(storage[limits[i]], 0x5a);
            forkcall_buf_free(&result);
        }
    }
}

static void fixed_buffer_of_0_bytes(void **state)
{
    (void)state;
    char storage[1] = {0x5a};
    for (int i = 0; i < 4; i++) {
        struct forkcall_buf result = forkcall_buf_fixed((i & 1) != 0 ? storage : NULL, 0);
        const struct order order = {(i & 2) != 0, ONE_EXTEND};
        const struct forkcall_report report = run_tested(child_makes, &order, sizeof order, &result, NULL);
        if (order.size == 0) {
            assert_status(report, FORKCALL_OK);
        } else {
            assert_int_equal(report.code, EFBIG);
            assert_status(report, FORKCALL_TOO_BIG);
        }
        assert_int_equal(storage[0], 0x5a);
    }
}

static void the_smaller_limit_counts(void **state)
{
    (void)state;
    _Alignas(max_align_t) char storage[100];
    for (int i = 0; i < 2; i++) {
        const struct forkcall_options options = {.max_result = i == 0 ? 50 : 200};
        const struct order fits = {i == 0 ? 50 : 100, ONE_EXTEND};
        const struct order over = {fits.size + 1, ONE_EXTEND};
        struct forkcall_buf result = forkcall_buf_fixed(storage, sizeof storage);
        struct forkcall_report report = run_tested(child_makes, &fits, sizeof fits, &result, &options);
        assert_result(&report, &result, fits.size);
        report = run_tested(child_appends_regardless, &over, sizeof over, &result, &options);
        assert_too_big(&report, &result);
    }
}

static void the_limit_counts_where_the_answer_is_dropped(void **state)
{
    (void)state;
    const struct forkcall_options options = {.max_result = 50};
    const struct order fits = {50, ONE_EXTEND};
    const struct order over = {51, ONE_EXTEND};
    struct forkcall_report report = run_tested(child_appends_regardless, &fits, sizeof fits, NULL, &options);
    assert_status(report, FORKCALL_OK);
    report = run_tested(child_appends_regardless, &over, sizeof over, NULL, &options);
    assert_status(report, FORKCALL_TOO_BIG);
    assert_int_equal(report.code, EFBIG);
}

/* Frees its result, and appends to it afterwards. */
static int child_frees_and_appends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    if (forkcall_buf_append(result, "abc", 3) != 0)
        return 96;
    forkcall_buf_free(result);
    return result->size != 0 ? 95 : child_appends_regardless(args, args_size, result);
}

static void the_limit_outlives_a_free_in_the_function(void **state)
{
    (void)state;
    static const size_t limits[] = {3, 1000, 100000};
    static unsigned char storage[100000];
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (int fixed = 0; fixed < 2; fixed++) {
            const struct forkcall_options options = {.max_result = fixed ? 0 : limits[i]};
            const struct order fits = {limits[i], MANY_APPENDS};
            const struct order over = {limits[i] + 1, MANY_APPENDS};
            struct forkcall_buf result = FORKCALL_BUF_INIT;
            if (fixed)
                result = forkcall_buf_fixed(storage, limits[i]);
            struct forkcall_report report = run_tested(child_frees_and_appends, &fits, sizeof fits, &result, &options);
            assert_status(report, FORKCALL_OK);
            assert_int_equal(result.size, limits[i]);
            report = run_tested(child_frees_and_appends, &over, sizeof over, &result, &options);
            assert_too_big(&report, &result);
            forkcall_buf_free(&result);
        }
}

/* A call must replace the bytes that the buffer held before, even if the function failed. */
static void stale_bytes_are_never_left(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    forkcall_fn *const fns[] = {child_fails_7, child_kills_itself, child_returns_0};
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++) {
        assert_int_equal(forkcall_buf_append(&result, "stale", 5), 0);
        run_tested(fns[i], NULL, 0, &result, NULL);
        assert_int_equal(result.size, 0);
    }
    forkcall_buf_free(&result);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_around_every_threshold),
        cmocka_unit_test(result_of_16_MiB),
        cmocka_unit_test(result_of_256_MiB),
        cmocka_unit_test(result_of_1_GiB),
        cmocka_unit_test(large_result_through_the_pipe),
        cmocka_unit_test(result_larger_than_the_pipe_and_nobody_reads),
        cmocka_unit_test(what_is_only_reserved_costs_little),
        cmocka_unit_test(large_pieces_are_appended_whole),
        cmocka_unit_test(many_small_results_do_not_take_a_mapping_each),
        cmocka_unit_test(a_small_result_keeps_no_huge_page),
        cmocka_unit_test(result_of_exactly_the_limit_and_one_more),
        cmocka_unit_test(fixed_buffer_of_0_bytes),
        cmocka_unit_test(the_smaller_limit_counts),
        cmocka_unit_test(the_limit_counts_where_the_answer_is_dropped),
        cmocka_unit_test(the_limit_outlives_a_free_in_the_function),
        cmocka_unit_test(stale_bytes_are_never_left),
    };
    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
