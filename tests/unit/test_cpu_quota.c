/* Tests how many processors a CPU quota pays for: in made-up trees of files, and in a real control
 * group. */
#include "made_up_groups.h"
#include "support.h"

#include "os/cpu_quota.h"
#include "os/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* ---- Made-up trees --------------------------------------------------------------------------- */

#define CPU_MOUNT "33 31 0:30 / /cg/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
#define UNIFIED_MOUNT "41 31 0:38 / /cg rw,nosuid shared:4 master:2 - cgroup2 cgroup rw,nsdelegate\n"

static void put_version_1(const char *group, const char *quota, const char *period)
{
    char path[200];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", group);
    groups_put(path, quota);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", group);
    groups_put(path, period);
}

static void no_files_and_no_quota(void **state)
{
    (void)state;
    assert_int_equal(fc_cpu_quota(groups_tree()), 0);
    groups_put_process("4:cpu,cpuacct:/\n0::/\n", CPU_MOUNT UNIFIED_MOUNT);
    assert_int_equal(fc_cpu_quota(groups_tree()), 0);
    put_version_1("/cg/cpu", "-1\n", "100000\n");
    groups_put("/cg/cpu.max", "max 100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 0);
}

static void version_1_rounds_up_and_is_at_least_1(void **state)
{
    (void)state;
    static const struct {
        const char *quota, *period;
        size_t processors;
    } cases[] = {{"100000\n", "100000\n", 1}, {"100001\n", "100000\n", 2}, {"1000\n", "100000\n", 1},
                 {"399999\n", "100000\n", 4}, {"50000\n", "20000\n", 3},   {"0\n", "100000\n", 0},
                 {"100000\n", "0\n", 0},      {"many\n", "100000\n", 0},   {"", "", 0}};
    groups_put_process("4:cpu,cpuacct:/\n", CPU_MOUNT);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_version_1("/cg/cpu", cases[i].quota, cases[i].period);
        assert_int_equal(fc_cpu_quota(groups_tree()), cases[i].processors);
    }
}

static void version_2_rounds_up_and_is_at_least_1(void **state)
{
    (void)state;
    static const struct {
        const char *max;
        size_t processors;
    } cases[] = {{"100000 100000\n", 1}, {"150000 100000\n", 2}, {"1000 100000\n", 1},
                 {"max 100000\n", 0},    {"100000\n", 0},        {"", 0},
                 {"100000 0\n", 0}};
    groups_put_process("0::/\n", UNIFIED_MOUNT);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        groups_put("/cg/cpu.max", cases[i].max);
        assert_int_equal(fc_cpu_quota(groups_tree()), cases[i].processors);
    }
}

static void the_tightest_of_the_groups_above_counts(void **state)
{
    (void)state;
    groups_put_process("4:cpu,cpuacct:/a/b/c\n0::/s/t\n", CPU_MOUNT UNIFIED_MOUNT);
    put_version_1("/cg/cpu/a/b/c", "900000\n", "100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 9);
    put_version_1("/cg/cpu/a/b", "-1\n", "100000\n");
    put_version_1("/cg/cpu/a", "700000\n", "100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 7);
    put_version_1("/cg/cpu", "600000\n", "100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 6);
    groups_put("/cg/s/t/cpu.max", "max 100000\n");
    groups_put("/cg/s/cpu.max", "500000 100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 5);
    groups_put("/cg/s/t/cpu.max", "400000 100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 4);
    /* The process is in neither of these groups. */
    put_version_1("/cg/cpu/a/other", "100000\n", "100000\n");
    put_version_1("/cg/cpu/a/b/c/below", "100000\n", "100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 4);
}

/* In a container without a namespace of its own for control groups, the container's own group is
 * mounted as the root. */
static void a_group_that_is_mounted_itself(void **state)
{
    (void)state;
    groups_put_process("4:cpu,cpuacct:/docker/abc/x\n",
                       "33 31 0:30 /docker/abc /cg/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n");
    put_version_1("/cg/cpu", "300000\n", "100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 3);
    put_version_1("/cg/cpu/x", "200000\n", "100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 2);
    /* This group lies above the mounted one, so the container cannot see it. */
    put_version_1("", "100000\n", "100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 2);
}

static void a_group_that_cannot_be_seen_counts_not(void **state)
{
    (void)state;
    put_version_1("/cg/cpu", "100000\n", "100000\n");
    groups_put("/cg/cpu.max", "100000 100000\n");
    groups_put_process("4:cpu:/docker/abcdef\n", "33 31 0:30 /docker/abc /cg/cpu rw - cgroup cgroup rw,cpu\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 0);
    groups_put_process("4:cpu:/elsewhere\n", "33 31 0:30 /docker/abc /cg/cpu rw - cgroup cgroup rw,cpu\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 0);
    groups_put_process("0::/../outside\n", UNIFIED_MOUNT);
    assert_int_equal(fc_cpu_quota(groups_tree()), 0);
    groups_put_process("0::/..\n", UNIFIED_MOUNT);
    assert_int_equal(fc_cpu_quota(groups_tree()), 0);
}

/* Three entries must not be taken for the controller "cpu": a controller whose name begins like it,
 * a named hierarchy called "cpu", and a file system of another type with "cgroup" in its path. */
static void only_the_hierarchy_of_the_processors_counts(void **state)
{
    (void)state;
    put_version_1("/cg/cpuset", "100000\n", "100000\n");
    put_version_1("/cg/cpu", "200000\n", "100000\n");
    groups_put_process("3:cpuset:/\n2:name=cpu:/\n",
                       "33 31 0:30 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n" CPU_MOUNT);
    assert_int_equal(fc_cpu_quota(groups_tree()), 0);
    groups_put_process("3:cpuset:/\n4:cpuacct,cpu:/\n",
                       "33 31 0:30 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
                       "34 31 0:31 / /cg/cpuset rw - ext4 /dev/cgroup rw,cpu\n" CPU_MOUNT);
    assert_int_equal(fc_cpu_quota(groups_tree()), 2);
}

static void places_with_spaces_and_lines_that_are_not_whole(void **state)
{
    (void)state;
    groups_put("/c g\\/x y/cpu.max", "300000 100000\n");
    groups_put_process("0::/x y\n", "\n41\n41 31 0:38 / /c\\040g\\134 rw - cgroup2 cgroup rw\n41 31 0:38 / /cgroup\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 3);
    groups_put_process("\n0\n0:\n0::", "33 31 0:30 / /cg/cpu rw - cgroup");
    assert_int_equal(fc_cpu_quota(groups_tree()), 0);
    /* The text has no newline at its end. */
    groups_put_process("0::/x y", "41 31 0:38 / /c\\040g\\134 rw - cgroup2 cgroup rw");
    assert_int_equal(fc_cpu_quota(groups_tree()), 3);
}

/* ---- A real group ---------------------------------------------------------------------------- */

/* Limits a group to one processor: by version 1 of control groups, or else by version 2. */
static bool limit_real(const char *group)
{
    return (groups_put_real(group, "cpu.cfs_period_us", "100000") &&
            groups_put_real(group, "cpu.cfs_quota_us", "100000")) ||
           groups_put_real(group, "cpu.max", "100000 100000");
}

/* The host is in a group without a quota inside a group that has one. */
static int host_in_a_group_with_a_quota(void *argument)
{
    const char *group = argument;
    char inner[200];
    char self[20];
    snprintf(inner, sizeof inner, "%s/inner", group);
    snprintf(self, sizeof self, "%d", (int)getpid());
    const size_t before = fc_cpus_count();
    if (!limit_real(group) || (mkdir(inner, 0755) < 0 && errno != EEXIST) ||
        !groups_put_real(inner, "cgroup.procs", self))
        return NOT_HERE;
    CHECK(fc_cpu_quota("") == 1);
    CHECK(fc_cpus_count() == 1 && before >= 1);
    return 0;
}

static bool group_is_gone(void *group)
{
    char inner[200];
    snprintf(inner, sizeof inner, "%s/inner", (const char *)group);
    rmdir(inner);
    return rmdir(group) == 0 || errno == ENOENT;
}

static void a_real_quota_of_one_processor(void **state)
{
    (void)state;
    static const char *const places[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup"};
    int r = NOT_HERE;
    for (size_t i = 0; i < sizeof places / sizeof *places && r == NOT_HERE; i++) {
        char group[100];
        snprintf(group, sizeof group, "%s/forkcall-test-%d", places[i], (int)getpid());
        if (mkdir(group, 0755) < 0)
            continue;
        r = host_run(host_in_a_group_with_a_quota, group);
        assert_true(wait_until(group_is_gone, group));
    }
    if (r == NOT_HERE)
        SKIP("no control group can be given a CPU quota here");
    assert_int_equal(r, 0);
}

#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 33)
static void a_question_leaves_no_memory_in_use(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("memory is the sanitizer's own");
    groups_put_process("4:cpu,cpuacct:/a\n0::/b\n", CPU_MOUNT UNIFIED_MOUNT);
    put_version_1("/cg/cpu", "100000\n", "100000\n");
    assert_int_equal(fc_cpu_quota(groups_tree()), 1);
    const size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 10; i++)
        assert_int_equal(fc_cpu_quota(groups_tree()), 1);
    assert_int_equal(mallinfo2().uordblks, before);
}
#define LEAVES_NO_MEMORY TREE(a_question_leaves_no_memory_in_use),
#endif
#endif
#ifndef LEAVES_NO_MEMORY
#define LEAVES_NO_MEMORY
#endif

int main(void)
{
#define TREE(name) cmocka_unit_test_setup_teardown(name, groups_make_tree, groups_remove_tree)
    const struct CMUnitTest tests[] = {
        TREE(no_files_and_no_quota),
        TREE(version_1_rounds_up_and_is_at_least_1),
        TREE(version_2_rounds_up_and_is_at_least_1),
        TREE(the_tightest_of_the_groups_above_counts),
        TREE(a_group_that_is_mounted_itself),
        TREE(a_group_that_cannot_be_seen_counts_not),
        TREE(only_the_hierarchy_of_the_processors_counts),
        TREE(places_with_spaces_and_lines_that_are_not_whole),
        LEAVES_NO_MEMORY cmocka_unit_test(a_real_quota_of_one_processor),
    };
    return cmocka_run_group_tests_name("cpu_quota", tests, NULL, NULL);
}
