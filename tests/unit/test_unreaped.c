/* Tests the list of children whose end was not seen, in a process that is forked while another
 * thread of the host looks at them. */
#include "os/process.h"

static bool look_at(const struct fc_process *process, struct fc_ending *ending);

#define fc_process_has_ended look_at
#include "call/unreaped.c" /* NOLINT(bugprone-suspicious-include): its looks are watched */
#undef fc_process_has_ended

#include "support.h"

#include <sys/wait.h>

static unsigned looks;
/* Called at the next look. */
static void (*meanwhile)(void);

static bool look_at(const struct fc_process *process, struct fc_ending *ending)
{
    void (*const call)(void) = meanwhile;
    (void)process;
    (void)ending;
    looks++;
    meanwhile = NULL;
    if (call != NULL)
        call();
    return true;
}

static void add_child(void)
{
    const struct fc_process process = {.pid = 1, .fd = -1};
    struct fc_fds fds;
    assert_int_equal(fc_fds_open(&fds), 0);
    fc_unreaped_add(&process, &fds);
    fc_fds_close_all(&fds);
}

static pid_t forked;

static void fork_and_reap(void)
{
    forked = fork();
    if (forked != 0)
        return;
    looks = 0;
    add_child();
    fc_unreaped_reap();
    _exit(looks == 1 ? 0 : 1);
}

static void fork_of_a_host_that_reaps_reaps_its_own_children(void **state)
{
    int status = -1;
    (void)state;
    add_child();
    meanwhile = fork_and_reap;
    fc_unreaped_reap();
    assert_true(forked > 0 && waitpid(forked, &status, 0) == forked);
    assert_int_equal(status, 0);
    assert_int_equal(looks, 1);
}

static void add_and_reap(void)
{
    add_child();
    fc_unreaped_reap();
}

/* A thread that comes meanwhile does not wait: it goes on. */
static void one_thread_reaps_at_a_time(void **state)
{
    (void)state;
    looks = 0;
    add_child();
    meanwhile = add_and_reap;
    fc_unreaped_reap();
    assert_int_equal(looks, 1);
    fc_unreaped_reap();
    assert_int_equal(looks, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fork_of_a_host_that_reaps_reaps_its_own_children),
        cmocka_unit_test(one_thread_reaps_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
