/* Tests that a child which the kernel has killed for lack of memory is told so, and no other: in
 * made-up trees of files, and in a real control group. */
#include "made_up_groups.h"
#include "support.h"

#include "os/oom_kills.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Made-up trees --------------------------------------------------------------------------- */

#define MEMORY_MOUNT "33 31 0:30 / /cg/memory rw,relatime - cgroup cgroup rw,memory\n"
#define UNIFIED_MOUNT "41 31 0:38 / /cg rw,nosuid shared:4 - cgroup2 cgroup rw,nsdelegate\n"

static void count_is_not_known_where_nothing_tells(void **state)
{
    (void)state;
    assert_int_equal(fc_oom_kills_read(groups_tree()), -1);
    groups_put_process("4:memory:/a\n0::/\n", MEMORY_MOUNT UNIFIED_MOUNT);
    assert_int_equal(fc_oom_kills_read(groups_tree()), -1);
    groups_put("/cg/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
    assert_int_equal(fc_oom_kills_read(groups_tree()), -1);
}

static void count_of_version_1(void **state)
{
    (void)state;
    groups_put_process("4:memory:/a\n0::/\n", MEMORY_MOUNT UNIFIED_MOUNT);
    groups_put("/cg/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n");
    groups_put("/cg/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 9\n");
    assert_int_equal(fc_oom_kills_read(groups_tree()), 7);
}

static void count_of_version_2(void **state)
{
    (void)state;
    groups_put_process("0::/a/b\n", UNIFIED_MOUNT);
    groups_put("/cg/a/memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n");
    /* The group below has no controller of memory. */
    assert_int_equal(fc_oom_kills_read(groups_tree()), 4);
    groups_put("/cg/a/b/memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 0\n");
    assert_int_equal(fc_oom_kills_read(groups_tree()), 0);
}

/* ---- A real group ---------------------------------------------------------------------------- */

static int child_takes_memory(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = (size_t)512 << 20;
    (void)args;
    (void)args_size;
    (void)result;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < size; i += 4096)
        memory[i] = 1;
    return 0;
}

/* Limits a group to so much memory that a host has enough: by version 1 of control groups, or else
 * by version 2. */
static bool limit_real(const char *group)
{
    const bool is_limited =
        groups_put_real(group, "memory.limit_in_bytes", "33554432") || groups_put_real(group, "memory.max", "33554432");
    /* Without swap, as far as it is counted. */
    (void)(groups_put_real(group, "memory.memsw.limit_in_bytes", "33554432") ||
           groups_put_real(group, "memory.swap.max", "0"));
    return is_limited;
}

static int host_in_a_group_with_little_memory(void *argument)
{
    const char *group = argument;
    const struct forkcall_options options = {.timeout_ms = PLENTY_MS};
    static const char lacks[] =
        "killed by SIGKILL (possibly for lack of memory, for which its cgroup has lost 1 process";
    static const char killed[] = "killed by SIGKILL (by a process, or by the system)";
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    char self[20];
    snprintf(self, sizeof self, "%d", (int)getpid());
    if (!limit_real(group) || !groups_put_real(group, "cgroup.procs", self) || fc_oom_kills_read("") < 0)
        return NOT_HERE;
    for (int i = 0; i < 2; i++) {
        struct forkcall_report report = run_tested(child_takes_memory, NULL, 0, &result, &options);
        CHECK(report.status == FORKCALL_SIGNALED && report.code == SIGKILL);
        CHECK(strncmp(report.message, lacks, sizeof lacks - 1) == 0);
        report = run_tested(child_kills_itself, NULL, 0, &result, &options);
        CHECK(report.status == FORKCALL_SIGNALED && report.code == SIGKILL);
        CHECK(strcmp(report.message, killed) == 0);
    }
    forkcall_buf_free(&result);
    return 0;
}

static bool group_is_gone(void *group)
{
    return rmdir(group) == 0 || errno == ENOENT;
}

static void child_that_the_kernel_kills_for_lack_of_memory(void **state)
{
    (void)state;
    static const char *const places[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
    int r = NOT_HERE;
    if (under_sanitizer())
        SKIP("the host needs more memory than the group has");
    for (size_t i = 0; i < sizeof places / sizeof *places && r == NOT_HERE; i++) {
        char group[100];
        snprintf(group, sizeof group, "%s/forkcall-test-oom-%d", places[i], (int)getpid());
        if (mkdir(group, 0755) < 0)
            continue;
        r = host_run(host_in_a_group_with_little_memory, group);
        assert_true(wait_until(group_is_gone, group));
    }
    if (r == NOT_HERE)
        SKIP("no control group can be given a limit of memory here");
    assert_int_equal(r, 0);
}

int main(void)
{
#define TREE(name) cmocka_unit_test_setup_teardown(name, groups_make_tree, groups_remove_tree)
    const struct CMUnitTest tests[] = {
        TREE(count_is_not_known_where_nothing_tells),
        TREE(count_of_version_1),
        TREE(count_of_version_2),
        cmocka_unit_test(child_that_the_kernel_kills_for_lack_of_memory),
    };
    return cmocka_run_group_tests_name("oom_kills", tests, NULL, NULL);
}
