/* HOST: Finds CPU quotas by /proc/self/cgroup, which names the process's group in each hierarchy,
 * and /proc/self/mountinfo, which tells where that group can be read. A system without these files
 * has no quota. */
#include "os/cpu_quota.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The process's groups: in the hierarchy of version 1 that has the cpu controller, and in that of
 * version 2; NULL: it is in none. */
struct groups {
    char *of_version_1, *of_version_2;
};

/* The smallest quota of the groups looked at so far; 0: there is none. */
struct quota {
    const char *root;
    size_t processors;
};

/* The three texts joined, to be freed; NULL: no memory. */
static char *join(const char *first, const char *second, const char *third)
{
    const size_t room = strlen(first) + strlen(second) + strlen(third) + 1;
    char *whole = malloc(room);
    if (whole != NULL)
        snprintf(whole, room, "%s%s%s", first, second, third);
    return whole;
}

static FILE *open_below(const char *root, const char *directory, const char *name)
{
    char *path = join(root, directory, name);
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    free(path);
    return file;
}

static void count_quota(struct quota *quota, long long time, long long period)
{
    if (time <= 0 || period <= 0)
        return;
    const unsigned long long processors = ((unsigned long long)time - 1) / (unsigned long long)period + 1;
    if (processors < SIZE_MAX && (quota->processors == 0 || processors < quota->processors))
        quota->processors = (size_t)processors;
}

/* ---- One group ------------------------------------------------------------------------------- */

/* Reads count numbers from the beginning of the file's first line. False: there are fewer. */
static bool read_numbers(const char *root, const char *group, const char *name, long long *numbers, int count)
{
    char line[64]; /* two numbers of any size */
    FILE *file = open_below(root, group, name);
    if (file == NULL)
        return false;
    const char *at = fgets(line, sizeof line, file);
    fclose(file);
    for (int i = 0; at != NULL && i < count; i++) {
        char *end;
        numbers[i] = strtoll(at, &end, 10);
        at = end != at ? end : NULL;
    }
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

/* The part of a group's path below the mounted group; NULL: the group does not lie below it. */
static const char *path_below(const char *group, const char *mounted)
{
    const size_t n = strcmp(mounted, "/") == 0 ? 0 : strlen(mounted);
    if (strncmp(group, mounted, n) != 0 || (group[n] != '\0' && group[n] != '/'))
        return NULL;
    /* The group lies outside the root of the cgroup namespace. */
    if (strstr(group + n, "/../") != NULL || strcmp(group + n, "/..") == 0)
        return NULL;
    return strcmp(group + n, "/") == 0 ? "" : group + n;
}

/* Looks at the group and at all groups above it, as far as they are mounted. The smallest quota
 * counts. */
static void look_upwards(struct quota *quota, const char *group, const char *mounted, const char *place,
                         void (*look)(struct quota *quota, const char *group))
{
    const char *below = group != NULL ? path_below(group, mounted) : NULL;
    const size_t top = strlen(place);
    char *path = below != NULL ? join(place, below, "") : NULL;
    while (path != NULL) {
        look(quota, path);
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash < path + top)
            break;
        *slash = '\0';
    }
    free(path);
}

/* ---- Where the groups are -------------------------------------------------------------------- */

static bool has_word(const char *list, const char *end, const char *word)
{
    const size_t n = strlen(word);
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *to = comma != NULL ? comma : end;
        if ((size_t)(to - list) == n && memcmp(list, word, n) == 0)
            return true;
        list = to + 1;
    }
    return false;
}

static void keep(char **group, const char *path)
{
    if (*group == NULL)
        *group = strdup(path);
}

/* Lines of /proc/self/cgroup: "4:cpu,cpuacct:/some/group"; for version 2 "0::/some/group". */
static void find_groups(const char *root, struct groups *groups)
{
    FILE *file = open_below(root, "/proc/self", "/cgroup");
    char *line = NULL;
    size_t room = 0;
    while (file != NULL && getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL)
            continue;
        if (has_word(controllers + 1, path, "cpu"))
            keep(&groups->of_version_1, path + 1);
        else if (path == controllers + 1 && strncmp(line, "0:", 2) == 0)
            keep(&groups->of_version_2, path + 1);
    }
    free(line);
    if (file != NULL)
        fclose(file);
}

/* Splits the next field off a line of mountinfo; "": there is none. */
static char *next_field(char **line)
{
    char *field = *line;
    char *end = field + strcspn(field, " \n");
    *line = *end == '\0' ? end : end + 1;
    *end = '\0';
    return field;
}

/* Decodes a path of mountinfo, which writes space, tab, newline and backslash as \040 and so on. */
static void unescape(char *path)
{
    char *to = path;
    for (const char *from = path; *from != '\0'; to++) {
        if (*from == '\\' && strspn(from + 1, "01234567") >= 3) {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* "33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu", see proc(5). */
static void look_at_mount(struct quota *quota, const struct groups *groups, char *line)
{
    next_field(&line); /* the mount's number, its parent's, the device */
    next_field(&line);
    next_field(&line);
    char *mounted = next_field(&line);
    char *place = next_field(&line);
    /* Options, and optional fields. */
    while (*line != '\0' && strcmp(next_field(&line), "-") != 0) {
    }
    const char *type = next_field(&line);
    next_field(&line);
    const char *options = next_field(&line);
    unescape(mounted);
    unescape(place);
    if (strcmp(type, "cgroup2") == 0)
        look_upwards(quota, groups->of_version_2, mounted, place, look_at_version_2);
    else if (strcmp(type, "cgroup") == 0 && has_word(options, options + strlen(options), "cpu"))
        look_upwards(quota, groups->of_version_1, mounted, place, look_at_version_1);
}

size_t fc_cpu_quota(const char *root)
{
    struct quota quota = {.root = root};
    struct groups groups = {NULL, NULL};
    find_groups(root, &groups);
    FILE *file = groups.of_version_1 != NULL || groups.of_version_2 != NULL
                     ? open_below(root, "/proc/self", "/mountinfo")
                     : NULL;
    char *line = NULL;
    size_t room = 0;
    while (file != NULL && getline(&line, &room, file) > 0)
        if (strstr(line, "cgroup") != NULL)
            look_at_mount(&quota, &groups, line);
    free(line);
    free(groups.of_version_1);
    free(groups.of_version_2);
    if (file != NULL)
        fclose(file);
    return quota.processors;
}
