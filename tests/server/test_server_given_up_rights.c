/* Tests that a server does not keep rights that its host gives up, nor namespaces that its host
 * leaves. */
#include "host_changes.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif

/* ---- Credentials ----------------------------------------------------------------------------- */

static int change_user(void)
{
    return geteuid() == 0 ? done(setuid(NOBODY)) : NOT_HERE;
}

static void host_that_calls_setuid(void **state)
{
    CHECK_CHANGE(change_user);
    CHECK_CHANGE(change_user, .threaded = true);
}

static int change_group(void)
{
    return geteuid() == 0 ? done(setgid(NOBODY)) : NOT_HERE;
}

static void host_that_calls_setgid(void **state)
{
    CHECK_CHANGE(change_group, .stays = true);
}

static int change_groups(void)
{
    static const gid_t groups[] = {100, 200};
    return done(setgroups(2, groups));
}

static void host_that_calls_setgroups(void **state)
{
    CHECK_CHANGE(change_groups, .stays = true);
}

static int change_saved_user(void)
{
    return geteuid() == 0 ? done(setresuid(NOBODY, NOBODY, 0)) : NOT_HERE;
}

static void host_that_keeps_a_saved_user(void **state)
{
    CHECK_CHANGE(change_saved_user, .exec_loses = true);
}

static int drop_capability(void)
{
    struct {
        uint32_t version;
        int pid;
    } header = {0x20080522U, 0};
    uint32_t sets[6];
    if (syscall(SYS_capget, &header, sets) < 0 || (sets[0] & 2) == 0)
        return NOT_HERE;
    for (int i = 0; i < 2; i++)
        sets[i] &= ~2U; /* clears CAP_DAC_OVERRIDE in the effective and permitted sets */
    return done((int)syscall(SYS_capset, &header, sets));
}

static int drop_capability_for_good(void)
{
    return prctl(PR_CAPBSET_DROP, 1, 0, 0, 0) < 0 ? NOT_HERE : drop_capability();
}

static void host_that_drops_a_capability(void **state)
{
    CHECK_CHANGE(drop_capability_for_good);
}

/* An exec by root gives back what is in the bounding set: the child drops it again. */
static int drop_capability_in_bounds(void)
{
    if (geteuid() != 0 || prctl(PR_CAPBSET_READ, 1, 0, 0, 0) != 1)
        return NOT_HERE;
    return drop_capability();
}

static void host_that_drops_a_capability_which_exec_gives_back(void **state)
{
    CHECK_CHANGE(drop_capability_in_bounds);
}

/* ---- Sandboxes ------------------------------------------------------------------------------- */

static int set_no_new_privs(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? NOT_HERE : done(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void host_that_sets_no_new_privs(void **state)
{
    CHECK_CHANGE(set_no_new_privs);
}

#ifdef SECCOMP_RET_ALLOW
static int enter_filter(void)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return done(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}
#else
static int enter_filter(void)
{
    return NOT_HERE; /* no program can be written for it here */
}
#endif

static int enter_first_filter(void)
{
    return set_no_new_privs() == 0 ? enter_filter() : NOT_HERE;
}

static void host_that_enters_a_seccomp_filter(void **state)
{
    CHECK_CHANGE(enter_first_filter);
}

#define MANY_GROUPS 600

/* Joins so many groups that they fill more than a page of /proc/self/status, where the kernel
 * shows them before the filters. */
static bool joins_many_groups(void)
{
    static gid_t groups[MANY_GROUPS];
    for (gid_t i = 0; i < MANY_GROUPS; i++)
        groups[i] = 1000000000 + i;
    return setgroups(MANY_GROUPS, groups) == 0;
}

/* The second filter changes nothing that a child could see. Only the server can notice it. */
static int check_second_filter(void *groups)
{
    if (groups != NULL && !joins_many_groups())
        return NOT_HERE;
    if (enter_first_filter() != 0)
        return NOT_HERE;
    const pid_t before = server_pid();
    CHECK(before > 0 && server_pid() == before);
    CHECK(enter_filter() == 0);
    const pid_t after = server_pid();
    CHECK(after > 0 && after != before);
    return 0;
}

static void host_that_enters_another_seccomp_filter(void **state)
{
    (void)state;
    const int status = host_run(check_second_filter, NULL);
    if (status == NOT_HERE)
        SKIP("no seccomp filters here");
    assert_int_equal(status, 0);
}

static void host_of_many_groups_that_enters_another_seccomp_filter(void **state)
{
    int groups = MANY_GROUPS;
    (void)state;
    const int status = host_run(check_second_filter, &groups);
    if (status == NOT_HERE)
        SKIP("no seccomp filters here, or not root, who alone can join groups");
    assert_int_equal(status, 0);
}

/* ---- Landlock -------------------------------------------------------------------------------- */

#define LANDLOCK_READ_FILE 4U

/* Linux 5.13: the calling thread and its children open no file from now on. False: not
 * available. */
static bool enters_landlock(void)
{
    const uint64_t handled = LANDLOCK_READ_FILE;
    const int rules = (int)syscall(444, &handled, sizeof handled, 0); /* landlock_create_ruleset */
    const bool entered = rules >= 0 && syscall(446, rules, 0) == 0;   /* landlock_restrict_self */
    if (rules >= 0)
        close(rules);
    return entered;
}

static int child_opens_a_file(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    (void)args;
    (void)args_size;
    (void)result;
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? 0 : 1;
}

static int prepare_for_a_while(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct timespec while_ = {.tv_nsec = 200000000};
    (void)args;
    (void)args_size;
    (void)result;
    return nanosleep(&while_, NULL);
}

static void *start_server(void *unused)
{
    static const struct forkcall_server_options options = {.prepare = prepare_for_a_while};
    (void)unused;
    (void)forkcall_server_start(&options);
    return NULL;
}

/* The thread in the sandbox also waits for the server, and may be the first to get a message from
 * it. */
static int check_landlock(void *unused)
{
    pthread_t starter;
    const struct timespec while_ = {.tv_nsec = 50000000};
    const struct forkcall_options options = {.method = FORKCALL_SERVER, .timeout_ms = PLENTY_MS};
    (void)unused;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CHECK(pthread_create(&starter, NULL, start_server, NULL) == 0);
    if (!enters_landlock())
        return NOT_HERE;
    CHECK(nanosleep(&while_, NULL) == 0);
    const struct forkcall_report report = forkcall_run(child_opens_a_file, NULL, 0, NULL, &options);
    CHECK(report.status != FORKCALL_OK);
    CHECK(pthread_join(starter, NULL) == 0);
    CHECK(forkcall_run(child_opens_a_file, NULL, 0, NULL, &options).status != FORKCALL_OK);
    return 0;
}

static void thread_in_a_sandbox_that_is_the_first_to_hear_from_the_server(void **state)
{
    (void)state;
    const int status = host_run(check_landlock, NULL);
    if (status == NOT_HERE)
        SKIP("no Landlock here");
    assert_int_equal(status, 0);
}

/* ---- Namespaces ------------------------------------------------------------------------------ */

static int leave(int what)
{
    return done(unshare(what));
}

static int leave_network(void)
{
    return leave(CLONE_NEWNET);
}

static int leave_mounts(void)
{
    return leave(CLONE_NEWNS);
}

static int leave_ipc(void)
{
    return leave(CLONE_NEWIPC);
}

static int leave_user(void)
{
    return leave(CLONE_NEWUSER);
}

static int leave_names(void)
{
    return leave(CLONE_NEWUTS); /* the new namespace has the same names as the old one */
}

static int leave_cgroups(void)
{
    return leave(CLONE_NEWCGROUP);
}

static void host_that_leaves_its_network_namespace(void **state)
{
    CHECK_CHANGE(leave_network);
}

static void host_that_leaves_its_mount_namespace(void **state)
{
    CHECK_CHANGE(leave_mounts);
}

static void host_that_leaves_its_ipc_namespace(void **state)
{
    CHECK_CHANGE(leave_ipc);
}

static void host_that_leaves_its_user_namespace(void **state)
{
    CHECK_CHANGE(leave_user, .exec_loses = true);
}

static void host_that_leaves_its_name_namespace(void **state)
{
    CHECK_CHANGE(leave_names);
}

static void host_that_leaves_its_cgroup_namespace(void **state)
{
    CHECK_CHANGE(leave_cgroups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_that_calls_setuid),
        cmocka_unit_test(host_that_calls_setgid),
        cmocka_unit_test(host_that_calls_setgroups),
        cmocka_unit_test(host_that_keeps_a_saved_user),
        cmocka_unit_test(host_that_drops_a_capability),
        cmocka_unit_test(host_that_drops_a_capability_which_exec_gives_back),
        cmocka_unit_test(host_that_sets_no_new_privs),
        cmocka_unit_test(host_that_enters_a_seccomp_filter),
        cmocka_unit_test(host_that_enters_another_seccomp_filter),
        cmocka_unit_test(host_of_many_groups_that_enters_another_seccomp_filter),
        cmocka_unit_test(thread_in_a_sandbox_that_is_the_first_to_hear_from_the_server),
        cmocka_unit_test(host_that_leaves_its_network_namespace),
        cmocka_unit_test(host_that_leaves_its_mount_namespace),
        cmocka_unit_test(host_that_leaves_its_ipc_namespace),
        cmocka_unit_test(host_that_leaves_its_user_namespace),
        cmocka_unit_test(host_that_leaves_its_name_namespace),
        cmocka_unit_test(host_that_leaves_its_cgroup_namespace),
    };
    forkcall_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
