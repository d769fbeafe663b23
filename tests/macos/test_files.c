/* Tests source files that only macOS uses. The test defines the functions of macOS that they
 * call. */
#include "support.h"

#include "child/close_fds.h"
#include "os/threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libproc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

/* ---- threads.macos.c ------------------------------------------------------------------------- */

/* True: this process has started a thread at some time, as pthread_is_threaded_np() says on
 * macOS. */
static bool had_a_thread;
/* The flag of macOS's sys/acct.h: the process was forked and has not called exec. */
#define FORKED 1
static unsigned short accounting_flags;

int pthread_is_threaded_np(void)
{
    return had_a_thread;
}

int sysctl(int *name, unsigned name_size, void *old, size_t *old_size, void *new, size_t new_size)
{
    const int wanted[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()};
    const struct kinfo_proc info = {.kp_proc = {.p_acflag = accounting_flags}};
    if (name_size != 4 || memcmp(name, wanted, sizeof wanted) != 0 || *old_size < sizeof info || new != NULL ||
        new_size != 0) {
        errno = EINVAL;
        return -1;
    }
    memcpy(old, &info, sizeof info);
    *old_size = sizeof info;
    return 0;
}

/* The process has only one thread during the test. */
static void threads_that_have_ended_count_as_a_hazard(void **state)
{
    (void)state;
    had_a_thread = false;
    assert_false(fc_has_other_threads());
    had_a_thread = true;
    assert_true(fc_has_other_threads());
    assert_non_null(strstr(fc_other_threads_in_words(), "have run"));
}

static void fork_child_that_has_not_execed_is_a_hazard(void **state)
{
    (void)state;
    accounting_flags = 0;
    assert_false(fc_was_forked());
    accounting_flags = FORKED;
    assert_true(fc_was_forked());
    accounting_flags = (unsigned short)~FORKED;
    assert_false(fc_was_forked());
}

/* ---- closefds.libproc.c ---------------------------------------------------------------------- */

static size_t list(struct proc_fdinfo *infos, size_t max)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        abort();
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        const int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(directory))
            continue;
        if (count < max)
            infos[count] = (struct proc_fdinfo){.proc_fd = fd};
        count++;
    }
    closedir(directory);
    return count;
}

/* Asks for room for 20 descriptors more than there are, as XNU does: bsd/kern/proc_info.c,
 * proc_pidfdlist. */
int proc_pidinfo(int pid, int flavor, uint64_t arg, void *buffer, int size)
{
    if (pid != getpid() || flavor != PROC_PIDLISTFDS || arg != 0)
        abort();
    if (buffer == NULL)
        return (int)((list(NULL, 0) + 20) * sizeof(struct proc_fdinfo));
    const size_t max = (size_t)size / sizeof(struct proc_fdinfo);
    const size_t count = list(buffer, max);
    return (int)((count < max ? count : max) * sizeof(struct proc_fdinfo));
}

#define OPENED 300

static int close_all_but_two(void *unused)
{
    int opened[OPENED];
    (void)unused;
    for (size_t i = 0; i < OPENED; i++)
        CHECK((opened[i] = open("/dev/null", O_RDONLY)) > 2);
    const int keep[] = {opened[7], opened[OPENED - 1]};
    CHECK(fc_close_fds_except(keep, 2) == 0);
    for (int fd = 0; fd < opened[OPENED - 1] + 10; fd++)
        CHECK((fcntl(fd, F_GETFD) >= 0) == (fd <= 2 || fd == keep[0] || fd == keep[1]));
    return 0;
}

static void close_fds_leaves_the_streams_and_what_is_kept(void **state)
{
    (void)state;
    assert_int_equal(host_run(close_all_but_two, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_have_ended_count_as_a_hazard),
        cmocka_unit_test(fork_child_that_has_not_execed_is_a_hazard),
        cmocka_unit_test(close_fds_leaves_the_streams_and_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
