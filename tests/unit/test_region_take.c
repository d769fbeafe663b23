/* Taking over the memory that a child has left its result in: what stays in use, and what is
 * believed of the child's word. */
#include "base/shared_args.h"
#include "base/shared_memory.h"
#include "result/buf.h"
#include "result/pages.h"
#include "result/region.h"

#include "refuse_syscalls.h"
#include "support.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A region of the size, with a byte at the end of the first used ones. */
static int open_region(size_t size, size_t used)
{
    const int fd = fc_region_open();
    if (fd < 0)
        return -1;
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)used - 1), 1);
    return fd;
}

static size_t size_of(int fd)
{
    struct stat file;
    assert_int_equal(fstat(fd, &file), 0);
    return (size_t)file.st_size;
}

static void assert_content(const struct forkcall_buf *buf, size_t size)
{
    const char *data = buf->data;
    assert_int_equal(buf->size, size);
    assert_int_equal(data[0], size == 1 ? 'x' : '\0');
    assert_int_equal(data[size - 1], 'x');
}

#define PAGE FC_HUGE_PAGE

static void what_the_result_does_not_need_is_given_back_in_whole_huge_pages(void **state)
{
    static const struct {
        size_t have, size, left;
    } cases[] = {
        {4 * PAGE, PAGE - 1, PAGE},         {4 * PAGE, PAGE, PAGE},
        {4 * PAGE, PAGE + 1, 2 * PAGE},     {4 * PAGE, 2 * PAGE - 1, 2 * PAGE},
        {4 * PAGE, 2 * PAGE, 2 * PAGE},     {4 * PAGE, 3 * PAGE + 1, 4 * PAGE},
        {4 * PAGE, 4 * PAGE, 4 * PAGE},     {PAGE + 5000, PAGE + 1, PAGE + 5000},
        {2 * PAGE + 1, 2 * PAGE, 2 * PAGE}, {PAGE, PAGE / 2, PAGE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct forkcall_buf buf = FORKCALL_BUF_INIT;
        const int fd = open_region(cases[i].have, cases[i].size);
        if (fd < 0)
            SKIP("there are no regions here");
        assert_int_equal(fc_region_take(fd, cases[i].size, &buf), 0);
        assert_content(&buf, cases[i].size);
        assert_int_equal(size_of(fd), cases[i].left);
        close(fd);
        forkcall_buf_free(&buf);
    }
}

/* Whoever has a descriptor of the region could else change the host's result, or kill the host by
 * making the file shorter. */
static void result_is_out_of_the_childs_reach(void **state)
{
    static const size_t sizes[] = {1, 20000, PAGE - 1, PAGE, 2 * PAGE + 1};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct forkcall_buf buf = FORKCALL_BUF_INIT;
        const int fd = open_region(sizes[i] + 100, sizes[i]);
        if (fd < 0)
            SKIP("there are no regions here");
        assert_int_equal(fc_region_take(fd, sizes[i], &buf), 0);
        (void)!pwrite(fd, "y", 1, (off_t)sizes[i] - 1);
        (void)!ftruncate(fd, 0);
        assert_content(&buf, sizes[i]);
        close(fd);
        forkcall_buf_free(&buf);
    }
}

static void result_that_is_not_all_there_is_refused(void **state)
{
    static const size_t sizes[] = {1, 20000, PAGE, 2 * PAGE};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct forkcall_buf buf = FORKCALL_BUF_INIT;
        const int fd = open_region(sizes[i], sizes[i]);
        if (fd < 0)
            SKIP("there are no regions here");
        assert_int_equal(fc_region_take(fd, sizes[i] + 1, &buf), -EPROTO);
        assert_int_equal(size_of(fd), sizes[i]);
        assert_int_equal(fc_region_take(fd, sizes[i], &buf), 0);
        assert_content(&buf, sizes[i]);
        close(fd);
        assert_int_equal(fc_region_take(fd, 1, &buf), -EPROTO); /* it is closed */
        forkcall_buf_free(&buf);
    }
}

static void buffer_that_keeps_its_place_gets_the_bytes_there(void **state)
{
    static char storage[20000];
    struct forkcall_buf buf = forkcall_buf_fixed(storage, sizeof storage);
    (void)state;
    const int fd = open_region(sizeof storage + 1, sizeof storage);
    if (fd < 0)
        SKIP("there are no regions here");
    assert_int_equal(fc_region_take(fd, sizeof storage, &buf), 0);
    assert_content(&buf, sizeof storage);
    assert_ptr_equal(buf.data, storage);
    assert_int_equal(fc_region_take(fd, sizeof storage + 1, &buf), -EFBIG);
    close(fd);
}

/* The system refuses files that do not say that they cannot be executed: vm.memfd_noexec is 2. */
static int where_files_must_not_be_executed(void *unused)
{
    const struct refusal rule = {SYS_memfd_create, EACCES, 1, REFUSE_UNLESS_MASKED_IS, 8, 8};
    (void)unused;
    const int probe = memfd_create("probe", MFD_CLOEXEC | 8);
    if (probe < 0 || !refuse(&rule, 1))
        return NOT_HERE;
    CHECK(memfd_create("refused", MFD_CLOEXEC) < 0 && errno == EACCES);
    CHECK(fc_region_open() >= 0);
    CHECK(fc_shared_args_open() >= 0);
    CHECK(fc_shared_memory_open(4096) >= 0);
    return 0;
}

static void memory_is_shared_where_the_system_wants_no_files_that_can_be_executed(void **state)
{
    (void)state;
    const int r = host_run(where_files_must_not_be_executed, NULL);
    if (r == NOT_HERE)
        SKIP("the kernel does not know MFD_NOEXEC_SEAL (Linux 6.3), or there are no filters of system calls");
    assert_int_equal(r, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_result_does_not_need_is_given_back_in_whole_huge_pages),
        cmocka_unit_test(result_is_out_of_the_childs_reach),
        cmocka_unit_test(result_that_is_not_all_there_is_refused),
        cmocka_unit_test(buffer_that_keeps_its_place_gets_the_bytes_there),
        cmocka_unit_test(memory_is_shared_where_the_system_wants_no_files_that_can_be_executed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
