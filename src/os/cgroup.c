/* HOST: Finds the control groups of this process by /proc/self/cgroup, which names its group in
 * each hierarchy, and /proc/self/mountinfo, which tells where that group can be read. */
#include "os/cgroup.h"

#include "base/small_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The process's groups: in the hierarchy of version 1 that has the controller, and in that of
 * version 2; NULL: it is in none. */
struct groups {
    char *of_version_1, *of_version_2;
};

/* What is looked for. */
struct search {
    const char *root, *controller;
    fc_cgroup_look *look;
    void *arg;
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

char *fc_cgroup_read(const char *root, const char *directory, const char *name)
{
    char *path = join(root, directory, name);
    char *text = path != NULL ? fc_whole_file_read(path) : NULL;
    free(path);
    return text;
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

/* Looks at the group and at all groups above it, as far as they are mounted. */
static void look_upwards(const struct search *search, const char *group, const char *mounted, const char *place,
                         int version)
{
    const char *below = group != NULL ? path_below(group, mounted) : NULL;
    const size_t top = strlen(place);
    char *path = below != NULL ? join(place, below, "") : NULL;
    while (path != NULL) {
        search->look(search->arg, version, path);
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
static void find_groups(const struct search *search, struct groups *groups)
{
    char *text = fc_cgroup_read(search->root, "/proc/self", "/cgroup");
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL)
            continue;
        if (has_word(controllers + 1, path, search->controller))
            keep(&groups->of_version_1, path + 1);
        else if (path == controllers + 1 && strncmp(line, "0:", 2) == 0)
            keep(&groups->of_version_2, path + 1);
    }
    free(text);
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
static void look_at_mount(const struct search *search, const struct groups *groups, char *line)
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
        look_upwards(search, groups->of_version_2, mounted, place, 2);
    else if (strcmp(type, "cgroup") == 0 && has_word(options, options + strlen(options), search->controller))
        look_upwards(search, groups->of_version_1, mounted, place, 1);
}

void fc_cgroup_visit(const char *root, const char *controller, fc_cgroup_look *look, void *arg)
{
    const struct search search = {.root = root, .controller = controller, .look = look, .arg = arg};
    struct groups groups = {NULL, NULL};
    find_groups(&search, &groups);
    char *text = groups.of_version_1 != NULL || groups.of_version_2 != NULL
                     ? fc_cgroup_read(root, "/proc/self", "/mountinfo")
                     : NULL;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        if (strstr(line, "cgroup") != NULL)
            look_at_mount(&search, &groups, line);
    free(text);
    free(groups.of_version_1);
    free(groups.of_version_2);
}
