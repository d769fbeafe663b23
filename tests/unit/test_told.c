/* Tests that the notices of a child's threads lie in one buffer as struct fc_crash_notice must lie
 * in memory, and that a buffer which was filled otherwise is not read beyond its end. */
#include "call/told.h"

#include "support.h"

#include <string.h>

static void notices_of_any_size_are_found_at_aligned_places(void **state)
{
    struct forkcall_buf all = FORKCALL_BUF_INIT;
    struct fc_told told;
    size_t at = 0;
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        const size_t size = sizeof(struct fc_crash_notice) + 3 * i;
        void *notice = fc_told_room(&all, size);
        assert_non_null(notice);
        memset(notice, (int)i, size);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_true(fc_told_next(&all, &at, &told));
        assert_int_equal(told.size, sizeof(struct fc_crash_notice) + 3 * i);
        assert_int_equal((uintptr_t)told.notice % _Alignof(struct fc_crash_notice), 0);
        assert_int_equal(((unsigned char *)told.notice)[0], i);
        assert_int_equal(((unsigned char *)told.notice)[told.size - 1], i);
    }
    assert_false(fc_told_next(&all, &at, &told));
    forkcall_buf_free(&all);
}

static void notice_larger_than_any_has_no_room(void **state)
{
    struct forkcall_buf all = FORKCALL_BUF_INIT;
    (void)state;
    assert_null(fc_told_room(&all, FC_CRASH_NOTICE_MAX + 1));
    assert_null(fc_told_room(&all, UINT64_MAX));
    assert_null(fc_told_room(&all, UINT64_MAX - FC_TOLD_ALIGN));
    assert_null(fc_told_room(&all, (UINT64_C(1) << 32) + sizeof(struct fc_crash_notice)));
    assert_int_equal(all.size, 0);
    for (unsigned i = 0; i <= FC_WHERE_OTHERS_MAX; i++)
        assert_non_null(fc_told_room(&all, FC_CRASH_NOTICE_MAX));
    assert_in_range(all.size, 1, FC_TOLD_MAX);
    forkcall_buf_free(&all);
}

static void notice_that_is_not_whole_is_not_found(void **state)
{
    struct forkcall_buf all = FORKCALL_BUF_INIT;
    struct fc_told told;
    size_t at = 0;
    (void)state;
    assert_false(fc_told_next(&all, &at, &told));
    assert_non_null(fc_told_room(&all, sizeof(struct fc_crash_notice)));
    const size_t whole = FC_TOLD_ALIGN + sizeof(struct fc_crash_notice);
    for (size_t size = 0; size < whole; size++) {
        struct forkcall_buf part = FORKCALL_BUF_INIT;
        assert_int_equal(forkcall_buf_append(&part, all.data, size), 0);
        assert_true(size == 0 || !fc_told_next(&part, &at, &told));
        forkcall_buf_free(&part);
    }
    const uint64_t small = sizeof(struct fc_crash_notice) - 1;
    memcpy(all.data, &small, sizeof small);
    assert_false(fc_told_next(&all, &at, &told));
    forkcall_buf_free(&all);
}

/* The padding of the first notice was cut off, and the place behind it is no part of the buffer. */
static void place_behind_the_end_is_not_read(void **state)
{
    struct forkcall_buf all = FORKCALL_BUF_INIT;
    struct fc_told told;
    size_t at = 0;
    (void)state;
    assert_non_null(fc_told_room(&all, sizeof(struct fc_crash_notice) + 1));
    assert_non_null(fc_told_room(&all, sizeof(struct fc_crash_notice)));
    forkcall_buf_truncate(&all, FC_TOLD_ALIGN + sizeof(struct fc_crash_notice) + 1);
    assert_true(fc_told_next(&all, &at, &told));
    assert_true(at > all.size);
    assert_false(fc_told_next(&all, &at, &told));
    forkcall_buf_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notices_of_any_size_are_found_at_aligned_places),
        cmocka_unit_test(notice_larger_than_any_has_no_room),
        cmocka_unit_test(notice_that_is_not_whole_is_not_found),
        cmocka_unit_test(place_behind_the_end_is_not_read),
    };
    return cmocka_run_group_tests_name("told", tests, NULL, NULL);
}
