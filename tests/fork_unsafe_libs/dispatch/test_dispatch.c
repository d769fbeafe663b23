/* Tests that a crash by which libdispatch ends a forked child is told apart from other crashes
 * near NULL. */
#include "dispatch.h"
#include "support.h"

#include <signal.h>
#include <string.h>

/* This processor tells only the page of the address. Libdispatch is then not blamed, because a
 * NULL pointer looks the same. */
#if defined(__s390__)
#define ADDRESS(a) ((uint64_t)(a) & ~(uint64_t)4095)
#define PLACE "in the page at 0x0"
#define CAN_BLAME false
#else
#define ADDRESS(a) ((uint64_t)(a))
#define PLACE "at 0x1"
#define CAN_BLAME true
#endif

#define NUMBER 5

/* The access itself must fail, not a sanitizer's check before it. */
#define UNCHECKED __attribute__((no_sanitize("address"), no_sanitize("undefined")))

static int push_and_pop(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    dispatch_push(NUMBER);
    const int number = dispatch_pop();
    return forkcall_buf_append(result, &number, sizeof number);
}

static int pop(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    const int number = dispatch_pop();
    return forkcall_buf_append(result, &number, sizeof number);
}

struct large {
    char head[0x108];
    int tail;
};

/* Reads the same address without libdispatch. */
UNCHECKED static int read_member_of_NULL(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct large *volatile nothing = args;
    (void)args_size;
    (void)result;
    return *(const volatile int *)&nothing->tail;
}

/* Reads in libdispatch, at addresses that libdispatch does not use as poison. */
static int read_at(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    return dispatch_read(args);
}

static struct forkcall_report call(forkcall_fn *fn, const void *args)
{
    int number = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&number, sizeof number);
    const struct forkcall_report report = forkcall_run(fn, args, FORKCALL_BY_POINTER, &result, NULL);
    return report;
}

/* Returns 0 if the call crashed, and if libdispatch is blamed exactly when is_poison says so. */
static int check_crash(const struct forkcall_report *report, bool is_poison)
{
    const bool blamed = is_poison && CAN_BLAME;
    char text[4096];
    forkcall_explain(report, text, sizeof text);
    print_message("%s\n", text);
    CHECK(report->status == FORKCALL_SIGNALED && report->code == SIGSEGV);
    CHECK(!is_poison || strstr(text, PLACE) != NULL);
    CHECK(report->hints == (blamed ? FORKCALL_HINT_DISPATCH : 0));
    CHECK((strstr(text, "libdispatch ends") != NULL) == blamed);
    CHECK((strstr(text, "forkcall_init()") != NULL) == blamed);
    return 0;
}

static int crash_host(void *unused)
{
    (void)unused;
    /* Before this process has used the library. */
    struct forkcall_report report = call(push_and_pop, NULL);
    CHECK(report.status == FORKCALL_OK && report.hints == 0);
    dispatch_push(NUMBER);
    report = call(push_and_pop, NULL);
    if (report.status == FORKCALL_SIGNALED && report.crash.program_counter == 0)
        return NOT_HERE;
    CHECK(check_crash(&report, true) == 0);
    CHECK((report.hazards & FORKCALL_HAZARD_LIBRARY) != 0);
    report = call(pop, NULL);
    CHECK(check_crash(&report, true) == 0);
    CHECK(dispatch_pop() == NUMBER);
    report = call(read_member_of_NULL, NULL);
    CHECK(report.crash.address == ADDRESS(offsetof(struct large, tail)));
    CHECK(check_crash(&report, false) == 0);
    report = call(read_at, (const void *)0xfc);
    CHECK(check_crash(&report, false) == 0);
    report = call(read_at, (const void *)0x100);
    CHECK(check_crash(&report, true) == 0);
    report = call(read_at, (const void *)0x11c);
    CHECK(check_crash(&report, true) == 0);
    report = call(read_at, (const void *)0x120);
    return check_crash(&report, false);
}

static void crash_at_the_poison_of_a_queue(void **state)
{
    (void)state;
    const int r = host_run(crash_host, NULL);
    if (r == NOT_HERE)
        SKIP("where a crash happened is not known for this processor");
    assert_int_equal(r, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(crash_at_the_poison_of_a_queue)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
