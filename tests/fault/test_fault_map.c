/* Makes each function of the C library fail in turn at each of its uses in a map whose children
 * serve many items: each item has its result or an outcome that says why, the map ends, and nothing
 * is left behind. */
#include "fault.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DID_NOT_HAPPEN 76
#define AT_MOST 300
#define COUNT 24

struct trial {
    enum fault fault;
    int error;
    unsigned role;
    int n;
};

static int child_numbers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    return forkcall_buf_append(result, args, args_size);
}

/* Each item has the right result, or has failed for a reason. */
static int map_some(struct forkcall_buf results[COUNT], bool may_fail)
{
    struct forkcall_report reports[COUNT];
    int items[COUNT];
    const struct forkcall_map_options options = {
        .call = {.method = tested_method(), .timeout_ms = BOUND_MS}, .processes = 2, .items_per_child = 100};
    for (int i = 0; i < COUNT; i++)
        items[i] = i;
    const struct forkcall_report report =
        forkcall_map(child_numbers, items, sizeof *items, COUNT, results, reports, &options);
    if (report.status == FORKCALL_NOT_STARTED && strstr(report.message, "memory for the map") != NULL)
        return may_fail ? 0 : 1;
    for (int i = 0; i < COUNT; i++) {
        CHECK(reports[i].status != FORKCALL_TIMED_OUT);
        if (reports[i].status == FORKCALL_OK)
            CHECK(results[i].size == sizeof i && memcmp(results[i].data, &i, sizeof i) == 0);
        else
            CHECK(may_fail && results[i].size == 0 && reports[i].message[0] != '\0');
    }
    return 0;
}

static int try_it(void *context)
{
    const struct trial *trial = context;
    struct forkcall_buf results[COUNT];
    memset(results, 0, sizeof results);
    CHECK(fault_begin_host() && warm_up());
    const struct traces before = traces_now();
    fault_arm_in(trial->role, trial->fault, trial->n, trial->error);
    int r = map_some(results, true);
    const bool happened = fault_disarm();
    if (r == 0) /* one failure does not make later maps fail */
        r = map_some(results, false);
    for (int i = 0; i < COUNT; i++)
        forkcall_buf_free(&results[i]);
    if (r != 0)
        print_message("fault %d, error %d, role %u, use %d\n", (int)trial->fault, trial->error, trial->role, trial->n);
    CHECK(r == 0);
    const struct traces after = traces_now();
    CHECK(after.descriptors == before.descriptors && after.children == before.children);
    CHECK(after.mappings <= before.mappings + 3 || under_sanitizer());
    return happened ? 0 : DID_NOT_HAPPEN;
}

static void whatever_fails_in_a_map_its_items_have_outcomes(void **state)
{
    static const struct {
        enum fault fault;
        int error;
    } kinds[] = {{FAULT_MEMFD, EMFILE}, {FAULT_MEMFD, ENOSYS}, {FAULT_MMAP, ENOMEM},   {FAULT_FTRUNCATE, ENOMEM},
                 {FAULT_FCNTL, EINVAL}, {FAULT_PIPE, EMFILE},  {FAULT_MALLOC, ENOMEM}, {FAULT_FORK, EAGAIN},
                 {FAULT_POLL, ENOMEM},  {FAULT_READ, EIO},     {FAULT_WRITE, EPIPE},   {FAULT_EPOLL_CTL, ENOMEM}};
    (void)state;
    const unsigned child = method_shares_memory()               ? FAULT_IN_FORK_CHILD
                           : tested_method() == FORKCALL_SERVER ? FAULT_IN_SERVER_CHILD
                                                                : FAULT_IN_EXECED;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int in_child = 0; in_child < 2; in_child++) {
            int r = 0;
            for (int n = 1; r != DID_NOT_HAPPEN && n < AT_MOST; n += n < 12 ? 1 : 7) {
                struct trial trial = {kinds[i].fault, kinds[i].error, in_child ? child : FAULT_IN_HOST, n};
                r = host_run(try_it, &trial);
                if (r != 0 && r != DID_NOT_HAPPEN)
                    print_message("r %d fault %d error %d in_child %d n %d\n", r, (int)trial.fault, trial.error,
                                  in_child, n);
                assert_true(r == 0 || r == DID_NOT_HAPPEN);
            }
        }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_fails_in_a_map_its_items_have_outcomes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
