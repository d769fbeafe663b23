/* A list of descriptors is closed, and no other, whether or not the system closes ranges. */
#include "base/close_list.h"

#include "refuse_syscalls.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST 40 /* this number and the next ones are free in this program */
#define NUMBERS 20

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Opens all numbers, closes those of the list, and looks at each. */
static bool closes(const int *list, size_t count)
{
    int fds[FC_CLOSE_LIST_MAX];
    bool right = true;
    for (int i = 0; i < NUMBERS; i++)
        if (dup2(0, FIRST + i) < 0)
            return false;
    for (size_t i = 0; i < count; i++)
        fds[i] = list[i] < 0 ? -1 : FIRST + list[i];
    fc_close_list(fds, count);
    for (int i = 0; i < NUMBERS; i++) {
        bool listed = false;
        for (size_t j = 0; j < count; j++)
            listed |= list[j] == i;
        right = right && is_open(FIRST + i) != listed;
        close(FIRST + i);
    }
    return right && is_open(0) && is_open(1) && is_open(2);
}

static bool closes_all_kinds(void)
{
    static const int none[] = {-1, -1, -1};
    static const int one[] = {7};
    static const int row[] = {3, 4, 5, 6, 7, 8};
    static const int mixed[] = {12, -1, 5, 1, 13, 4, 11, 19, -1, 0};
    static const int apart[] = {1, 3, 5, 7, 9, 11, 13, 15, 17, 19};
    return closes(none, 0) && closes(none, 3) && closes(one, 1) && closes(row, 6) && closes(mixed, 10) &&
           closes(apart, 10);
}

static void list_is_closed_and_nothing_else(void **state)
{
    (void)state;
    assert_true(closes_all_kinds());
}

static int close_where_ranges_are_refused(void *unused)
{
    (void)unused;
#ifdef SYS_close_range
    const struct refusal rule = {SYS_close_range, ENOSYS, -1, REFUSE_IF_MASKED_IS, 0, 0};
    if (!refuse(&rule, 1))
        return NOT_HERE;
#endif
    return closes_all_kinds() ? 0 : 1;
}

static void list_is_closed_where_ranges_are_refused(void **state)
{
    (void)state;
    const int status = host_run(close_where_ranges_are_refused, NULL);
    if (status == NOT_HERE)
        SKIP("seccomp filters cannot be set");
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_is_closed_and_nothing_else),
        cmocka_unit_test(list_is_closed_where_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
