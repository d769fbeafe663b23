/* HOST: Finds CPU quotas. A system without control groups has no quota. */
#include "os/cpu_quota.h"

#include "os/cgroup.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The smallest quota of the groups looked at so far; 0: there is none. */
struct quota {
    const char *root;
    size_t processors;
};

static void count_quota(struct quota *quota, long long time, long long period)
{
    if (time <= 0 || period <= 0)
        return;
    const unsigned long long processors = ((unsigned long long)time - 1) / (unsigned long long)period + 1;
    if (processors < SIZE_MAX && (quota->processors == 0 || processors < quota->processors))
        quota->processors = (size_t)processors;
}

/* ---- One group ------------------------------------------------------------------------------- */

/* Reads count numbers from the beginning of the file. False: there are fewer. */
static bool read_numbers(const char *root, const char *group, const char *name, long long *numbers, int count)
{
    char *text = fc_cgroup_read(root, group, name);
    const char *at = text;
    for (int i = 0; at != NULL && i < count; i++) {
        char *end;
        numbers[i] = strtoll(at, &end, 10);
        at = end != at ? end : NULL;
    }
    free(text);
    return at != NULL;
}

static void look_at_version_1(struct quota *quota, const char *group)
{
    long long time; /* -1: no quota */
    long long period;
    if (read_numbers(quota->root, group, "/cpu.cfs_quota_us", &time, 1) &&
        read_numbers(quota->root, group, "/cpu.cfs_period_us", &period, 1))
        count_quota(quota, time, period);
}

/* "max 100000": no quota. */
static void look_at_version_2(struct quota *quota, const char *group)
{
    long long time_and_period[2];
    if (read_numbers(quota->root, group, "/cpu.max", time_and_period, 2))
        count_quota(quota, time_and_period[0], time_and_period[1]);
}

/* The smallest quota of a group and those above it counts. */
static void look(void *arg, int version, const char *group)
{
    if (version == 2)
        look_at_version_2(arg, group);
    else
        look_at_version_1(arg, group);
}

size_t fc_cpu_quota(const char *root)
{
    struct quota quota = {.root = root};
    fc_cgroup_visit(root, "cpu", look, &quota);
    return quota.processors;
}
