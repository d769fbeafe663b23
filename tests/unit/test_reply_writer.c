/* Tests the writer of a child's reply, with a pipe of the test's own as the reply. */
#include "base/fd_identity.h"
#include "base/io.h"
#include "child/child_state.h"
#include "child/reply_writer.h"
#include "support.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAD 400 /* bytes: more than is written in one piece */

/* Each test has a reply of its own. */
static int open_reply(void **state)
{
    static int ends[2];
    *state = ends;
    if (pipe(ends) < 0)
        return -1;
    fc_child.task.reply_fd = ends[1];
    fc_child.task.mark = fc_fd_identity_take(ends[1]);
    fc_reply_writer_reset();
    return 0;
}

static int close_reply(void **state)
{
    const int *ends = *state;
    return close(ends[0]) < 0 || close(ends[1]) < 0 ? -1 : 0;
}

static void memory_that_is_gone_is_sent_as_zeros(void **state)
{
    const int *ends = *state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    static char head[HEAD];
    static char got[HEAD + 3 * 65536 + 4];
    memset(head, 'h', sizeof head);
    char *stack = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(stack, MAP_FAILED);
    memset(stack, 's', 2 * page);
    assert_int_equal(mprotect(stack + page, page, PROT_NONE), 0);

    struct iovec parts[] = {fc_part(head, sizeof head), fc_part(stack + page - 100, 100 + page), fc_part("end", 3)};
    struct iovec next = fc_part("next", 4);
    assert_true(fc_reply_write(parts, 3, true));
    assert_true(fc_reply_write(&next, 1, true));

    const size_t size = HEAD + 100 + page + 3 + 4;
    assert_true(size <= sizeof got);
    assert_int_equal(read(ends[0], got, sizeof got), size);
    for (size_t i = 0; i < HEAD; i++)
        assert_int_equal(got[i], 'h');
    /* An emulator writes nothing of what it cannot read to its end. */
    for (size_t i = HEAD; i < HEAD + 100; i++)
        assert_int_equal(got[i], under_emulator() ? 0 : 's');
    for (size_t i = HEAD + 100; i < HEAD + 100 + page; i++)
        assert_int_equal(got[i], 0);
    assert_memory_equal(got + size - 7, "endnext", 7);
    munmap(stack, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_that_is_gone_is_sent_as_zeros, open_reply, close_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
