/* Tests children that do anything to a shared buffer, which is for functions that are trusted. They
 * may change its bytes, and nothing else: the host can read all of it at any time, the size is
 * never more than the capacity, and the outcome is the true one. */
#include "forging_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE ((size_t)4 << 20)

/* A descriptor of the buffer's file; -1: there is none. A child by FORK has the host's. Another one
 * has only the mapping, behind which a privileged process finds the file. */
static int open_file(const struct forkcall_buf *result)
{
    char path[128];
    struct stat file;
    if (method_shares_memory())
        for (int fd = 3; fd < 256; fd++)
            if (fd != forge_region_fd() && fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_nlink == 0 &&
                (size_t)file.st_size == SIZE)
                return dup(fd);
    const unsigned long at = (unsigned long)(uintptr_t)result->data;
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", at, at + (unsigned long)SIZE);
    return open(path, O_RDWR);
}

static void say_shared(uint64_t size)
{
    const struct fc_trailer trailer = forge_trailer(forge_nonce(), FC_END_RETURNED, 0, FC_TRANSPORT_SHARED, size);
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    forge_done(&bytes, &trailer);
    forge_say(&bytes);
    _exit(0);
}

static struct forkcall_report call_hostile(forkcall_fn *fn, const void *args, size_t args_size,
                                           struct forkcall_buf *result)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    const struct forkcall_report report = forge_run(fn, args, args_size, result, &options);
    assert_true(report.status == FORKCALL_OK || result->size == 0);
    assert_true(report.status == FORKCALL_OK || report.message[0] != '\0');
    return report;
}

/* Reads every byte that the buffer can hold. */
static void read_all(const struct forkcall_buf *result)
{
    for (size_t i = 0; i < SIZE; i += 64)
        (void)((const volatile unsigned char *)result->data)[i];
}

static int child_answers_honestly(const void *args, size_t args_size, struct forkcall_buf *result)
{
    void *to = forkcall_buf_extend(result, SIZE);
    (void)args_size;
    if (to == NULL)
        return 99;
    memset(to, *(const unsigned char *)args, SIZE);
    return 0;
}

static void assert_next_call_is_right(struct forkcall_buf *result, unsigned char byte)
{
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    const struct forkcall_report report = run_tested(child_answers_honestly, &byte, 1, result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result->size, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(((unsigned char *)result->data)[i], byte);
}

/* ---- The file -------------------------------------------------------------------------------- */

#define SIZE_CHANGED 7
#define SEALED 8

static int child_changes_the_size(const void *args, size_t args_size, struct forkcall_buf *result)
{
    void *to = forkcall_buf_extend(result, SIZE);
    (void)args;
    (void)args_size;
    if (to == NULL)
        return 99;
    memset(to, 0x51, SIZE);
    const int fd = open_file(result);
    if (ftruncate(fd, 0) == 0 || ftruncate(fd, 2 * (off_t)SIZE) == 0)
        return SIZE_CHANGED;
#ifdef F_ADD_SEALS
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0)
        return SEALED;
#endif
    return 0;
}

static void nobody_makes_the_file_shorter(void **state)
{
    (void)state;
    struct forkcall_buf result = forkcall_buf_shared(SIZE);
    const struct forkcall_report report = call_hostile(child_changes_the_size, NULL, 0, &result);
#if !defined F_ADD_SEALS || defined TEST_PORTABLE
    if (report.status == FORKCALL_FAILED && report.code == SIZE_CHANGED)
        SKIP("here everybody can change the size of memory files");
#endif
    assert_status(report, FORKCALL_OK);
    read_all(&result);
    assert_next_call_is_right(&result, 0x52);
    forkcall_buf_free(&result);
}

static int child_leaves_a_writer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const bool punches = *(const bool *)args;
    unsigned char *to = forkcall_buf_extend(result, SIZE);
    (void)args_size;
    if (to == NULL)
        return 99;
    memset(to, 0x51, SIZE);
    const int fd = open_file(result);
    if (forge_leave_behind())
        for (uint64_t i = 0;; i++) {
            to[i * 4097 % SIZE] = (unsigned char)i;
#ifdef FALLOC_FL_PUNCH_HOLE
            if (punches && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)SIZE) < 0)
                pause();
#else
            if (punches)
                pause();
#endif
        }
    return 0;
}

static void writing_after_the_trailer_changes_bytes_and_no_more(void **state)
{
    (void)state;
    assert_true(warm_up());
    const struct traces before = traces_now();
    for (int punches = 0; punches < 2; punches++) {
        const bool args = punches != 0;
        struct forkcall_buf result = forkcall_buf_shared(SIZE);
        const struct forkcall_report report = call_hostile(child_leaves_a_writer, &args, sizeof args, &result);
        assert_status(report, FORKCALL_OK);
        for (int i = 0; i < 20; i++)
            read_all(&result);
        assert_int_equal(result.size, SIZE);
        int pid = forged_call()->left_behind;
        kill_the_one_left_behind();
        assert_true(wait_until(process_is_gone, &pid));
        assert_next_call_is_right(&result, 0x53);
        forkcall_buf_free(&result);
    }
    assert_no_traces(before, false);
}

/* ---- What is said ---------------------------------------------------------------------------- */

static int child_claims(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    say_shared(*(const uint64_t *)args);
    return 0;
}

/* The child is killed for what it has said. */
static void assert_not_believed(const struct forkcall_report *report)
{
    assert_int_not_equal(report->status, FORKCALL_OK);
    assert_non_null(strstr(report->message, "malformed"));
}

static void a_size_beyond_the_capacity_is_no_result(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {SIZE + 1, SIZE + 4096, UINT64_C(1) << 32, UINT64_MAX};
    struct forkcall_buf result = forkcall_buf_shared(SIZE);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct forkcall_report report = call_hostile(child_claims, &sizes[i], sizeof sizes[i], &result);
        assert_not_believed(&report);
    }
    const uint64_t all = SIZE;
    const struct forkcall_report report = call_hostile(child_claims, &all, sizeof all, &result);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, SIZE);
    read_all(&result);
    assert_next_call_is_right(&result, 0x54);
    forkcall_buf_free(&result);
}

static void a_result_in_a_shared_buffer_that_is_not_there_is_none(void **state)
{
    (void)state;
    static unsigned char storage[16];
    static const uint64_t size = 1;
    for (int fixed = 0; fixed < 2; fixed++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        if (fixed)
            result = forkcall_buf_fixed(storage, sizeof storage);
        const struct forkcall_report report = call_hostile(child_claims, &size, sizeof size, &result);
        assert_not_believed(&report);
        forkcall_buf_free(&result);
    }
}

static int child_sends_two_results(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_buf bytes = FORKCALL_BUF_INIT;
    (void)args;
    (void)args_size;
    (void)result;
    forge_frame(&bytes, FC_FRAME_RESULT, "12345", 5);
    forge_say(&bytes);
    say_shared(5);
    return 0;
}

static void a_result_cannot_come_in_two_ways(void **state)
{
    (void)state;
    struct forkcall_buf result = forkcall_buf_shared(SIZE);
    const struct forkcall_report report = call_hostile(child_sends_two_results, NULL, 0, &result);
    assert_not_believed(&report);
    assert_next_call_is_right(&result, 0x55);
    forkcall_buf_free(&result);
}

int main(void)
{
    forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const struct CMUnitTest tests[] = {
        TEST(nobody_makes_the_file_shorter),           TEST(writing_after_the_trailer_changes_bytes_and_no_more),
        TEST(a_size_beyond_the_capacity_is_no_result), TEST(a_result_in_a_shared_buffer_that_is_not_there_is_none),
        TEST(a_result_cannot_come_in_two_ways),
    };
    return cmocka_run_group_tests_name("hostile shared buffer", tests, set_up_group, tear_down_group);
}
