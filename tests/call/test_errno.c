/* Tests that no function of the library changes the caller's errno. The functions of one call are
 * tested in test_args.c. */
#include "support.h"

#include <dlfcn.h>
#include <errno.h>

#define MINE 4711

/* Replaces the C library's dladdr(3), which may change errno, by one that always changes it. */
int dladdr(const void *address, Dl_info *info)
{
    int (*next)(const void *, Dl_info *) = NULL;
    *(void **)&next = dlsym(RTLD_NEXT, "dladdr");
    const int r = next != NULL ? next(address, info) : 0;
    errno = EIO;
    return r;
}

static int changes_errno(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    (void)user;
    (void)index;
    (void)report;
    (void)done;
    (void)count;
    errno = EIO;
    return 0;
}

static void map_leaves_errno_as_it_was(void **state)
{
    (void)state;
    const struct forkcall_map_options options = {.call = {.method = tested_method()}, .item_done = changes_errno};
    errno = MINE;
    assert_int_equal(forkcall_map(child_returns_0, NULL, 0, 3, NULL, NULL, &options).status, FORKCALL_OK);
    assert_int_equal(errno, MINE);
}

static void explanation_leaves_errno_as_it_was(void **state)
{
    (void)state;
    char text[2048];
    const struct forkcall_report report = run_tested(child_kills_itself, NULL, 0, NULL, NULL);
    assert_status(report, FORKCALL_SIGNALED);
    errno = MINE;
    assert_true(forkcall_explain(&report, text, sizeof text) > 0);
    assert_int_equal(errno, MINE);
}

static void server_functions_leave_errno_as_it_was(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("the emulator does not exec the program's own image");
    const struct forkcall_server_options wrong = {.timeout_ms = -1};
    const struct forkcall_options options = {.method = FORKCALL_SERVER};
    forkcall_server_stop();
    for (int times = 0; times < 2; times++) {
        errno = MINE;
        assert_int_equal(forkcall_server_start(&wrong), -EINVAL);
        assert_int_equal(errno, MINE);
        assert_int_equal(forkcall_server_start(NULL), 0);
        assert_int_equal(errno, MINE);
        assert_int_equal(forkcall_server_start(NULL), -EALREADY);
        assert_int_equal(errno, MINE);
        assert_int_equal(forkcall_run(child_returns_0, NULL, 0, NULL, &options).status, FORKCALL_OK);
        assert_int_equal(errno, MINE);
        assert_int_equal(forkcall_server_stop(), 0);
        assert_int_equal(errno, MINE);
        assert_int_equal(forkcall_server_stop(), 0);
        assert_int_equal(errno, MINE);
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_leaves_errno_as_it_was),
        cmocka_unit_test(explanation_leaves_errno_as_it_was),
        cmocka_unit_test(server_functions_leave_errno_as_it_was),
    };
    return cmocka_run_group_tests_name("errno", tests, NULL, NULL);
}
