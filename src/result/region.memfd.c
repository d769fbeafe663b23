/* HOST, CHILD: A region in a memfd. */
#include "result/region.h"

#include "base/descriptors.h"
#include "base/memory_file.h"
#include "base/rlimits.h"
#include "base/sections.h"
#include "result/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CAPACITY_MIN ((size_t)64 << 10)
/* From this size on a write to new pages is faster than a copy: 16 us in place of 28 for 64 KiB. */
#define WRITE_MIN ((size_t)16 << 10)
/* How much memory is made of huge pages ahead where nothing is known of earlier results: what the
 * function has only reserved must not cost much. 16 MiB cost up to 5 ms in this way, and three
 * times as much by small pages. */
#define AHEAD ((size_t)16 << 20)

static FC_FORK_STORAGE struct {
    void *data;
    size_t mapped;
    size_t huge;     /* up to here it is made of huge pages, as far as there were any */
    size_t expected; /* see fc_region_expected */
    size_t made;     /* up to here small pages exist, or may */
} region;            /* the child's region */

int fc_region_open(void)
{
    return fc_memory_file_open("forkcall", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

bool fc_region_keep_size(int fd)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

static void use_huge_pages(size_t filled, size_t used)
{
    const size_t ahead = region.expected > 0 ? region.expected : AHEAD > used * 2 ? AHEAD : used * 2;
    const size_t wanted = (used > ahead ? used : ahead) + FC_HUGE_PAGE - 1;
    const size_t end = wanted < region.mapped ? wanted : region.mapped;
    const size_t from = (filled > region.huge ? filled : region.huge) / FC_HUGE_PAGE * FC_HUGE_PAGE;
    const size_t to = end / FC_HUGE_PAGE * FC_HUGE_PAGE;
    if (from >= to)
        return;
    fc_pages_make_huge(region.data, from, to);
    region.huge = to;
}

void *fc_region_grow(int fd, size_t *capacity, size_t filled, size_t used)
{
    const size_t wanted = *capacity;
    size_t size = wanted < CAPACITY_MIN ? CAPACITY_MIN : wanted;
    if (size > PTRDIFF_MAX - 2 * FC_HUGE_PAGE)
        return NULL;
    const size_t unit = size < FC_HUGE_MIN ? CAPACITY_MIN : FC_HUGE_PAGE;
    size = (size + unit - 1) / unit * unit;
    if (fd < 0 || !fc_fds_child_has(fd) || !fc_limits_allow_file(size) || ftruncate(fd, (off_t)size) < 0)
        return NULL;
    char *data = fc_pages_map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    if (data == NULL)
        return NULL;
    if (region.data != NULL)
        munmap(region.data, region.mapped);
    region.data = data;
    region.mapped = size;
    if (size >= FC_HUGE_PAGE)
        use_huge_pages(filled, used);
    else if (used < wanted)
        fc_pages_touch(data, 0, wanted);
    region.made = used < wanted || size >= FC_HUGE_PAGE ? size : filled;
    *capacity = size;
    return data;
}

bool fc_region_write(int fd, size_t at, const void *data, size_t size)
{
    if (region.data == NULL || size < WRITE_MIN || at < region.made || !fc_fds_child_has(fd))
        return false;
    region.made = at + size;
    for (size_t done = 0; done < size;) {
        const ssize_t n = pwrite(fd, (const char *)data + done, size - done, (off_t)(at + done));
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

void fc_region_begin(size_t expected)
{
    memset(&region, 0, sizeof region);
    region.expected = expected;
}

void fc_region_unmap(void)
{
    if (region.data != NULL)
        munmap(region.data, region.mapped);
    fc_region_begin(region.expected);
}
