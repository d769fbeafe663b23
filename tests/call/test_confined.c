/* Tests a function that confines its process to few system calls (seccomp(2)). The calls that
 * docs/what-the-function-sees.md names must suffice for its answer. What cannot be found out
 * without other calls must be reported as unknown.
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum act { ANSWERS, FAILS, THROWS, APPENDS_TOO_MUCH, EXITS };
enum walls { KILLING, REFUSING, STRICT, WALLS };

struct order {
    enum walls walls;
    enum act act;
    size_t size;
};

#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Forbids every system call that docs/what-the-function-sees.md does not name. */
static bool confine(enum walls walls, bool large)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_read),
        ALLOW(SYS_write),
        ALLOW(SYS_exit_group),
        ALLOW((unsigned)(large ? SYS_munmap : SYS_write)),
        BPF_STMT(BPF_RET | BPF_K, walls == REFUSING ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_KILL_PROCESS)};
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (walls == STRICT)
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* The child unmaps its result, because its host does not wait for its end. */
static bool must_unmap(size_t size)
{
    return size > 131072 && !method_shares_memory();
}

static int child_confines_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct order *order = args;
    char *to = forkcall_buf_extend(result, order->size);
    (void)args_size;
    if (to == NULL || !confine(order->walls, must_unmap(order->size)))
        return 99;
    memset(to, 'x', order->size);
    switch (order->act) {
    case FAILS:
        return forkcall_fail(7, "no %s", "luck");
    case THROWS:
        forkcall_throw(8, "no %s", "more");
    case APPENDS_TOO_MUCH:
        forkcall_buf_extend(result, SIZE_MAX / 4);
        break;
    case EXITS:
        _exit(9);
    case ANSWERS:
        break;
    }
    return 0;
}

static bool seccomp_works(void)
{
    const struct order order = {KILLING, EXITS, 1};
    const struct forkcall_report report = run_tested(child_confines_itself, &order, sizeof order, NULL, NULL);
    return !under_sanitizer() && !under_emulator() && !under_valgrind() && report.status == FORKCALL_EXITED &&
           report.code == 9;
}

static struct forkcall_report run_order(struct order order, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.timeout_ms = DEADLINE_S * 1000, .max_result = (size_t)1 << 30};
    return run_tested(child_confines_itself, &order, sizeof order, result, &options);
}

static void confined_function_answers(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 8, 1000, 1025, 131072, 131073, 8 << 20};
    if (!seccomp_works())
        SKIP("no seccomp filters here, or what runs this needs other system calls");
    for (int walls = 0; walls < WALLS; walls++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            if (walls == STRICT && must_unmap(sizes[i]))
                continue;
            struct forkcall_buf result = FORKCALL_BUF_INIT;
            const struct forkcall_report report =
                run_order((struct order){(enum walls)walls, ANSWERS, sizes[i]}, &result);
            assert_status(report, FORKCALL_OK);
            assert_int_equal(report.ran, FORKCALL_RAN_YES);
            assert_int_equal(result.size, sizes[i]);
            for (size_t at = 0; at<sizes[i]; at += sizes[i]> 997 ? 997 : 1)
                assert_int_equal(((char *)result.data)[at], 'x');
            forkcall_buf_free(&result);
        }
    }
}

static void confined_function_fails_in_its_own_words(void **state)
{
    (void)state;
    if (!seccomp_works())
        SKIP("no seccomp filters here, or what runs this needs other system calls");
    for (int walls = 0; walls < WALLS; walls++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        struct forkcall_report report = run_order((struct order){(enum walls)walls, FAILS, 100}, &result);
        assert_status(report, FORKCALL_FAILED);
        assert_int_equal(report.code, 7);
        assert_string_equal(report.message, "no luck");
        report = run_order((struct order){(enum walls)walls, THROWS, 100}, &result);
        assert_status(report, FORKCALL_FAILED);
        assert_int_equal(report.code, 8);
        assert_string_equal(report.message, "no more");
        report = run_order((struct order){(enum walls)walls, APPENDS_TOO_MUCH, 100}, &result);
        assert_status(report, FORKCALL_TOO_BIG);
        forkcall_buf_free(&result);
    }
}

/* A usage that cannot be measured must be unknown, and not 0. */
static void usage_of_a_confined_function_is_known_or_said_not_to_be(void **state)
{
    (void)state;
    if (!seccomp_works())
        SKIP("no seccomp filters here, or what runs this needs other system calls");
    for (int walls = 0; walls < WALLS; walls++) {
        const struct forkcall_report report = run_order((struct order){(enum walls)walls, ANSWERS, 100}, NULL);
        assert_status(report, FORKCALL_OK);
        if (tested_method() != FORKCALL_SERVER)
            assert_true(report.usage_known);
        else if (walls == REFUSING)
            /* In the other cases the server gets the usage from the kernel. */
            assert_false(report.usage_known);
        assert_true(!report.usage_known || report.max_rss_bytes > 0 || tested_method() == FORKCALL_SPAWN);
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confined_function_answers),
        cmocka_unit_test(confined_function_fails_in_its_own_words),
        cmocka_unit_test(usage_of_a_confined_function_is_known_or_said_not_to_be),
    };
    return cmocka_run_group_tests_name("confined", tests, NULL, NULL);
}
