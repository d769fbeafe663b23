/* HOST: How often the kernel has killed a process for lack of memory.
 *
 * SPDX-License-Identifier: MIT */
#include "os/oom_kills.h"

#include "os/cgroup.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NOT_READ INT64_MIN

static _Atomic(int64_t) last = NOT_READ;

struct search {
    const char *root;
    int64_t count; /* -1: not found yet */
};

/* Both versions have a line "oom_kill 3". The nearest group that tells counts: in version 2 a group
 * counts for those below it, too. */
static void look(void *arg, int version, const char *group)
{
    static const char name[] = "oom_kill ";
    struct search *search = arg;
    if (search->count >= 0)
        return;
    char *text = fc_cgroup_read(search->root, group, version == 2 ? "/memory.events" : "/memory.oom_control");
    char *rest = text;
    for (const char *line = strsep(&rest, "\n"); line != NULL && search->count < 0; line = strsep(&rest, "\n"))
        if (strncmp(line, name, sizeof name - 1) == 0)
            search->count = strtoll(line + sizeof name - 1, NULL, 10);
    free(text);
}

int64_t fc_oom_kills_read(const char *root)
{
    struct search search = {.root = root, .count = -1};
    fc_cgroup_visit(root, "memory", look, &search);
    return search.count;
}

int64_t fc_oom_kills_before(void)
{
    int64_t count = atomic_load(&last);
    if (count == NOT_READ) {
        count = fc_oom_kills_read("");
        atomic_store(&last, count);
    }
    return count;
}

int64_t fc_oom_kills_since(int64_t before)
{
    const int64_t count = fc_oom_kills_read("");
    atomic_store(&last, count);
    return before < 0 || count < before ? -1 : count - before;
}
