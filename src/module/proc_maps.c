/* ANY: Reads /proc/self/maps line by line. */
#include "module/proc_maps.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#if __has_include(<sys/sysmacros.h>)
#include <sys/sysmacros.h> /* makedev */
#endif

/* A line of the kernel's list. */
struct line {
    uint64_t start, end;
    struct fc_mapped mapped;
    const char *path;
};

/* Parses a line: "start-end permissions offset device inode   path". */
static struct line parse(char *text)
{
    struct line line = {0};
    char *p = text;
    line.start = strtoull(p, &p, 16);
    line.end = *p == '-' ? strtoull(p + 1, &p, 16) : 0;
    for (int i = 0; i < 2; i++) { /* skip permissions and offset */
        p += strspn(p, " ");
        p += strcspn(p, " ");
    }
    const unsigned device_major = (unsigned)strtoull(p, &p, 16);
    const unsigned device_minor = *p == ':' ? (unsigned)strtoull(p + 1, &p, 16) : 0;
    line.mapped.device = (uint64_t)makedev(device_major, device_minor);
    line.mapped.inode = strtoull(p, &p, 10);
    p += strspn(p, " ");
    p[strcspn(p, "\n")] = 0;
    line.path = p;
    return line;
}

/* Calls visit for each line until it returns false. Returns false if there is no list. */
static bool read_lines(bool (*visit)(const struct line *line, void *arg), void *arg)
{
    char *text = NULL;
    size_t capacity = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return false;
    while (getline(&text, &capacity, maps) > 0) {
        const struct line line = parse(text);
        if (!visit(&line, arg))
            break;
    }
    free(text);
    (void)fclose(maps);
    return true;
}

/* ---- One address ----------------------------------------------------------------------------- */

struct search {
    uint64_t address;
    struct fc_mapping *mapping;
    int result;
};

/* Removes the mark that the kernel writes behind the path of a deleted file, unless the file's name
 * ends so. */
static void cut_deleted(struct fc_mapping *mapping)
{
    static const char mark[] = " (deleted)";
    struct stat status;
    const size_t length = strlen(mapping->path);
    if (length < sizeof mark || strcmp(mapping->path + length - (sizeof mark - 1), mark) != 0)
        return;
    if (stat(mapping->path, &status) != 0 || status.st_ino != mapping->inode)
        mapping->path[length - (sizeof mark - 1)] = 0;
}

static int take(struct fc_mapping *mapping, const struct line *line)
{
    if (line->mapped.inode == 0 || line->path[0] != '/')
        return -ENOENT;
    if (strlen(line->path) >= sizeof mapping->path)
        return -ENAMETOOLONG;
    mapping->device = line->mapped.device;
    mapping->inode = line->mapped.inode;
    memcpy(mapping->path, line->path, strlen(line->path) + 1);
    cut_deleted(mapping);
    return 0;
}

static bool visit_find(const struct line *line, void *arg)
{
    struct search *search = arg;
    if (search->address < line->start || search->address >= line->end)
        return true;
    search->result = take(search->mapping, line);
    return false;
}

int fc_mapping_find(uint64_t address, struct fc_mapping *mapping)
{
    struct search search = {.address = address, .mapping = mapping, .result = -ENOENT};
    return read_lines(visit_find, &search) ? search.result : -ENOENT;
}

/* ---- Many addresses -------------------------------------------------------------------------- */

struct listing {
    struct fc_mapped *mapped;
    size_t count;
};

static bool visit_list(const struct line *line, void *arg)
{
    const struct listing *listing = arg;
    for (size_t i = 0; line->mapped.inode != 0 && i < listing->count; i++) {
        struct fc_mapped *mapped = &listing->mapped[i];
        if (mapped->address < line->start || mapped->address >= line->end)
            continue;
        mapped->device = line->mapped.device;
        mapped->inode = line->mapped.inode;
    }
    return true;
}

void fc_mapping_list(struct fc_mapped *mapped, size_t count)
{
    struct listing listing = {.mapped = mapped, .count = count};
    for (size_t i = 0; i < count; i++)
        mapped[i].device = mapped[i].inode = 0;
    (void)read_lines(visit_list, &listing);
}
