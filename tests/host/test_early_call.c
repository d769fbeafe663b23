/* Tests a call that a constructor of the program makes. Where the library is linked statically, it
 * comes before the constructors of the library. */
#include "support.h"

#include <fcntl.h>

#define TRIED 256

static int child_counts_descriptors(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int count = 0;
    (void)args;
    (void)args_size;
    for (int fd = 0; fd < TRIED; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return forkcall_buf_append(result, &count, sizeof count);
}

/* How many descriptors a child has; -1: the call has failed. */
static int count_in_child(void)
{
    int count = -1;
    struct forkcall_buf result = forkcall_buf_fixed(&count, sizeof count);
    const struct forkcall_options options = {.method = FORKCALL_FORK, .allow_unsafe_fork = true};
    const struct forkcall_report report = forkcall_run(child_counts_descriptors, NULL, 0, &result, &options);
    return report.status == FORKCALL_OK ? count : -1;
}

static int early = -1;

__attribute__((constructor)) static void call_early(void)
{
    early = count_in_child();
}

/* A child that had the host's ends would not die with the host. */
static void child_of_a_constructor_has_no_end_of_the_hosts(void **state)
{
    (void)state;
    assert_true(early > 0);
    assert_int_equal(early, count_in_child());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_of_a_constructor_has_no_end_of_the_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
