/* Tests children that do anything to the memory file of a large result, even after their trailer:
 * the host gets a whole result that does not change, or none. */
#include "forging_child.h"

#include "result/region.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE ((size_t)4 << 20)
#define TIB ((uint64_t)1 << 40)

static bool no_region(void)
{
    const int fd = fc_region_open();
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

static void say_region(uint64_t size)
{
    const struct fc_trailer trailer = forge_trailer(forge_nonce(), FC_END_RETURNED, 0, FC_TRANSPORT_REGION, size);
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    forge_done(&bytes, &trailer);
    forge_say(&bytes);
    _exit(0);
}

static unsigned char *fill_region(size_t size)
{
    if (ftruncate(forge_region_fd(), (off_t)size) < 0)
        _exit(97);
    unsigned char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, forge_region_fd(), 0);
    if (data == MAP_FAILED)
        _exit(96);
    memset(data, 0xa7, size);
    return data;
}

static struct forkcall_report call_hostile(forkcall_fn *fn, const void *args, size_t args_size,
                                           struct forkcall_buf *result, size_t max_result)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS, .max_result = max_result};
    const struct forkcall_report report = forge_run(fn, args, args_size, result, &options);
    assert_true(report.status == FORKCALL_OK || result->size == 0);
    assert_true(report.status == FORKCALL_OK || report.message[0] != '\0');
    return report;
}

static uint64_t sum(const struct forkcall_buf *buf)
{
    uint64_t n = 0;
    for (size_t i = 0; i < buf->size; i++)
        n = n * 31 + ((const unsigned char *)buf->data)[i];
    return n;
}

/* Checks that every byte can be read and does not change any more. */
static void assert_stays(const struct forkcall_buf *result)
{
    const uint64_t first = sum(result);
    assert_int_equal(result->size, SIZE);
    for (int i = 0; i < 3; i++)
        assert_true(sum(result) == first);
}

/* ---- Regions made shorter -------------------------------------------------------------------- */

static int child_truncates_before_its_trailer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    munmap(fill_region(SIZE), SIZE);
    if (ftruncate(forge_region_fd(), (off_t)SIZE - 1) < 0)
        _exit(94);
    say_region(SIZE);
    return 0;
}

static void memfd_truncated_before_the_trailer(void **state)
{
    (void)state;
    static unsigned char storage[SIZE];
    for (int fixed = 0; fixed < 2; fixed++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        if (no_region())
            SKIP("no memory files here");
        if (fixed)
            result = forkcall_buf_fixed(storage, sizeof storage);
        const struct forkcall_report report = call_hostile(child_truncates_before_its_trailer, NULL, 0, &result, 0);
        assert_status(report, FORKCALL_LOST);
        assert_int_equal(report.ran, FORKCALL_RAN_YES);
        forkcall_buf_free(&result);
    }
}

static int child_leaves_a_process_and_truncates(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    forged_call()->left_behind = pid;
    return child_truncates_before_its_trailer(args, args_size, result);
}

static void what_the_function_started_is_killed_where_its_result_is_taken_back(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    if (no_region())
        SKIP("no memory files here");
    const struct forkcall_report report = call_hostile(child_leaves_a_process_and_truncates, NULL, 0, &result, 0);
    assert_status(report, FORKCALL_LOST);
    int pid = forged_call()->left_behind;
    assert_true(pid > 0 && wait_until(process_is_gone, &pid));
    forkcall_buf_free(&result);
}

static int child_leaves_a_truncater(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int fd = dup(forge_region_fd());
    const bool sealed_against_sealing = *(const bool *)args;
    (void)args_size;
    (void)result;
    munmap(fill_region(SIZE), SIZE);
    if (sealed_against_sealing && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) < 0)
        _exit(94);
    if (forge_leave_behind())
        for (;;) {
            const int shorter = ftruncate(fd, 4096);
            const int longer = ftruncate(fd, (off_t)SIZE);
            if (shorter < 0 && longer < 0)
                pause(); /* The file is sealed. */
        }
    say_region(SIZE);
    return 0;
}

static void memfd_truncated_after_the_trailer(void **state)
{
    (void)state;
    if (no_region())
        SKIP("no memory files here");
    const struct traces before = traces_now();
    for (int round = 0; round < 60; round++) {
        const bool no_sealing = round % 2 == 1;
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report =
            call_hostile(child_leaves_a_truncater, &no_sealing, sizeof no_sealing, &result, 0);
        if (report.status == FORKCALL_OK) {
            assert_stays(&result);
        } else {
            assert_status(report, FORKCALL_LOST);
            assert_int_equal(result.size, 0);
        }
        kill_the_one_left_behind();
        forkcall_buf_free(&result);
    }
    assert_no_traces(before, false);
}

/* ---- Regions written to ---------------------------------------------------------------------- */

enum writing { BY_MAPPING, BY_DESCRIPTOR, BY_DESCRIPTOR_NO_SEALING, WRITINGS };

static int child_leaves_a_writer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const enum writing how = *(const enum writing *)args;
    const int fd = dup(forge_region_fd());
    unsigned char *data = fill_region(SIZE);
    (void)args_size;
    (void)result;
    if (how != BY_MAPPING)
        munmap(data, SIZE);
    if (how == BY_DESCRIPTOR_NO_SEALING && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) < 0)
        _exit(94);
    if (forge_leave_behind())
        for (uint64_t i = 0;; i++) {
            if (how == BY_MAPPING)
                *(volatile uint64_t *)(void *)(data + i * 4096 % SIZE) = i;
            else if (pwrite(fd, &i, sizeof i, (off_t)(i * 4096 % SIZE)) < 0)
                pause(); /* The file is sealed. */
        }
    say_region(SIZE);
    return 0;
}

static void memfd_that_a_grandchild_keeps_writing_to(void **state)
{
    (void)state;
    static unsigned char storage[SIZE];
    if (no_region())
        SKIP("no memory files here");
    const struct traces before = traces_now();
    for (int round = 0; round < 4 * WRITINGS; round++) {
        const enum writing how = (enum writing)(round % WRITINGS);
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        if (round >= 2 * WRITINGS)
            result = forkcall_buf_fixed(storage, sizeof storage);
        const struct forkcall_report report = call_hostile(child_leaves_a_writer, &how, sizeof how, &result, 0);
        assert_status(report, FORKCALL_OK);
        assert_stays(&result);
        /* The caller may write to the result, because the memory is its own. */
        ((unsigned char *)result.data)[SIZE - 1] = 1;
        kill_the_one_left_behind();
        forkcall_buf_free(&result);
    }
    assert_no_traces(before, false);
}

/* This child means no harm: a process that the function leaves behind has the region mapped. */
static int child_leaves_a_daemon(const void *args, size_t args_size, struct forkcall_buf *result)
{
    unsigned char *data = forkcall_buf_extend(result, SIZE);
    (void)args;
    (void)args_size;
    if (data == NULL)
        return ENOMEM;
    memset(data, 0xa7, SIZE);
    if (forge_leave_behind())
        for (;;)
            pause();
    return 0;
}

static void daemon_that_has_the_result_mapped(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = call_hostile(child_leaves_a_daemon, NULL, 0, &result, 0);
    kill_the_one_left_behind();
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(((unsigned char *)result.data)[i], 0xa7);
    forkcall_buf_free(&result);
}

/* ---- Sizes that are only claims -------------------------------------------------------------- */

static int child_digs_a_hole(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const uint64_t size = *(const uint64_t *)args & ~(uint64_t)1;
    (void)args_size;
    (void)result;
    if (ftruncate(forge_region_fd(), (off_t)size) < 0)
        _exit(93);
    if ((*(const uint64_t *)args & 1) != 0 && fcntl(forge_region_fd(), F_ADD_SEALS, F_SEAL_SEAL) < 0)
        _exit(94);
    say_region(size);
    return 0;
}

static size_t peak_rss(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

static void memfd_that_is_one_large_hole(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {(uint64_t)512 << 20, TIB, (uint64_t)1 << 46};
    if (no_region())
        SKIP("no memory files here");
    if (sizeof(off_t) < 8 || sizeof(size_t) < 8)
        SKIP("there are no such sizes here");
    const size_t before = peak_rss();
    for (int i = 0; i < 6; i++) {
        const uint64_t size = sizes[i / 2] | (i % 2 == 0 ? 0U : 1U);
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report = call_hostile(child_digs_a_hole, &size, sizeof size, &result, 0);
        if (report.status == FORKCALL_OK) {
            const size_t got = result.size;
            assert_int_equal(got, sizes[i / 2]);
            assert_int_equal(((unsigned char *)result.data)[got - 1], 0);
        } else if (report.status == FORKCALL_TOO_BIG) {
            assert_int_equal(report.code, ENOMEM);
        } else {
            /* The child could not make so large a file. */
            assert_int_equal(report.status, FORKCALL_EXITED);
        }
        forkcall_buf_free(&result);
    }
    assert_true(peak_rss() - before < (size_t)64 << 20);
}

static int child_claims_more_than_there_is(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const bool fill = *(const bool *)args;
    (void)args_size;
    (void)result;
    if (fill && forge_region_fd() >= 0)
        munmap(fill_region(SIZE), SIZE);
    say_region(fill && forge_region_fd() >= 0 ? SIZE + 1 : 100);
    return 0;
}

static void region_that_is_not_there(void **state)
{
    (void)state;
    static const size_t limits[] = {0, 1000}; /* With a limit of 1000 the call gets no region. */
    for (int i = 0; i < 2; i++) {
        const bool fill = i == 0;
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report =
            call_hostile(child_claims_more_than_there_is, &fill, sizeof fill, &result, limits[i]);
        assert_status(report, FORKCALL_LOST);
    }
}

static int child_fills_the_region_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    munmap(fill_region(SIZE), SIZE);
    say_region(SIZE);
    return 0;
}

static void region_of_more_than_max_result(void **state)
{
    (void)state;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    if (no_region())
        SKIP("no memory files here");
    struct forkcall_report report = call_hostile(child_fills_the_region_itself, NULL, 0, &result, SIZE - 1);
    assert_int_not_equal(report.status, FORKCALL_OK);
    report = call_hostile(child_fills_the_region_itself, NULL, 0, &result, SIZE);
    assert_status(report, FORKCALL_OK);
    forkcall_buf_free(&result);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(memfd_truncated_before_the_trailer),
        TEST(what_the_function_started_is_killed_where_its_result_is_taken_back),
        TEST(memfd_truncated_after_the_trailer),
        TEST(memfd_that_a_grandchild_keeps_writing_to),
        TEST(daemon_that_has_the_result_mapped),
        TEST(memfd_that_is_one_large_hole),
        TEST(region_that_is_not_there),
        TEST(region_of_more_than_max_result),
    };
    return cmocka_run_group_tests_name("hostile region", tests, set_up_group, tear_down_group);
}
