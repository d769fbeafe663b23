/* ANY: Reads /proc/self/maps line by line. */
#include "module/proc_maps.h"

#include "base/descriptors.h"
#include "base/lines.h"
#include "module/path_status.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#if __has_include(<sys/sysmacros.h>)
#include <sys/sysmacros.h> /* makedev */
#endif

/* Reads a number and moves on to what follows it. */
static uint64_t number(const char **at, unsigned base)
{
    uint64_t value = 0;
    for (;; ++*at) {
        const char c = **at;
        const unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                               : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10U
                                                      : 16U;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

static void skip_word(const char **at)
{
    while (**at == ' ')
        ++*at;
    while (**at != ' ' && **at != 0)
        ++*at;
}

/* Parses a line: "start-end permissions offset device inode   path". */
static struct fc_maps_line parse(const char *text)
{
    struct fc_maps_line line = {0};
    const char *p = text;
    line.start = number(&p, 16);
    p += *p == '-';
    line.end = number(&p, 16);
    line.is_code = *p == ' ' && p[1] != 0 && p[2] != 0 && p[3] == 'x';
    skip_word(&p);
    p += *p == ' ';
    line.offset = number(&p, 16);
    p += *p == ' ';
    const uint64_t device_major = number(&p, 16);
    p += *p == ':';
    const uint64_t device_minor = number(&p, 16);
    line.device = (uint64_t)makedev((unsigned)device_major, (unsigned)device_minor);
    p += *p == ' ';
    line.inode = number(&p, 10);
    while (*p == ' ')
        p++;
    line.path = p;
    return line;
}

static bool visit_line(char *text, void *arg)
{
    const struct fc_maps_visitor *visitor = arg;
    const struct fc_maps_line line = parse(text);
    return visitor->visit(&line, visitor->arg);
}

bool fc_maps_read(char *buffer, size_t size, struct fc_maps_visitor visitor)
{
    return fc_lines_read("/proc/self/maps", buffer, size, visit_line, &visitor);
}

/* Calls visit for each line until it returns false. Returns false if there is no list. No child is
 * forked meanwhile, so none gets the descriptor. */
static bool read_lines(bool (*visit)(const struct fc_maps_line *line, void *arg), void *arg)
{
    char buffer[FC_MAPPING_PATH_MAX + 256];
    fc_fds_lock();
    const bool is_read = fc_maps_read(buffer, sizeof buffer, (struct fc_maps_visitor){.visit = visit, .arg = arg});
    fc_fds_unlock();
    return is_read;
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
    if (fc_path_status(mapping->path, mapping->device, &status) != 0 || status.st_ino != mapping->inode)
        mapping->path[length - (sizeof mark - 1)] = 0;
}

static int take(struct fc_mapping *mapping, const struct fc_maps_line *line)
{
    if (line->inode == 0 || line->path[0] != '/')
        return -ENOENT;
    if (strlen(line->path) >= sizeof mapping->path)
        return -ENAMETOOLONG;
    mapping->device = line->device;
    mapping->inode = line->inode;
    memcpy(mapping->path, line->path, strlen(line->path) + 1);
    return 0;
}

static bool visit_find(const struct fc_maps_line *line, void *arg)
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
    if (!read_lines(visit_find, &search))
        return -ENOENT;
    if (search.result == 0)
        cut_deleted(mapping);
    return search.result;
}

/* ---- Many addresses -------------------------------------------------------------------------- */

struct listing {
    struct fc_mapped *mapped;
    size_t count;
};

static bool visit_list(const struct fc_maps_line *line, void *arg)
{
    const struct listing *listing = arg;
    for (size_t i = 0; line->inode != 0 && i < listing->count; i++) {
        struct fc_mapped *mapped = &listing->mapped[i];
        if (mapped->address < line->start || mapped->address >= line->end)
            continue;
        mapped->device = line->device;
        mapped->inode = line->inode;
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
