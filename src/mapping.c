#include "mapping.h"

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

/* The kernel says so behind the path, and a file may be called so. */
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

static int take_path(struct fc_mapping *mapping, const char *path)
{
    if (mapping->inode == 0 || path[0] != '/')
        return -ENOENT;
    if (strlen(path) >= sizeof mapping->path)
        return -ENAMETOOLONG;
    memcpy(mapping->path, path, strlen(path) + 1);
    cut_deleted(mapping);
    return 0;
}

/* "start-end permissions offset device inode   path". False: the address lies elsewhere. */
static bool parse(char *line, uint64_t address, struct fc_mapping *mapping, int *result)
{
    char *p = line;
    const uint64_t start = strtoull(p, &p, 16);
    const uint64_t end = *p == '-' ? strtoull(p + 1, &p, 16) : 0;
    if (address < start || address >= end)
        return false;
    for (int i = 0; i < 2; i++) { /* to the end of permissions, offset */
        p += strspn(p, " ");
        p += strcspn(p, " ");
    }
    const unsigned device_major = (unsigned)strtoul(p, &p, 16);
    const unsigned device_minor = *p == ':' ? (unsigned)strtoul(p + 1, &p, 16) : 0;
    mapping->device = (uint64_t)makedev(device_major, device_minor);
    mapping->inode = strtoull(p, &p, 10);
    p += strspn(p, " ");
    p[strcspn(p, "\n")] = 0;
    *result = take_path(mapping, p);
    return true;
}

int fc_mapping_find(uint64_t address, struct fc_mapping *mapping)
{
    char *line = NULL;
    size_t capacity = 0;
    int r = -ENOENT;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return -ENOENT;
    while (getline(&line, &capacity, maps) > 0 && !parse(line, address, mapping, &r))
        continue;
    free(line);
    (void)fclose(maps);
    return r;
}
