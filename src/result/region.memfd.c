/* HOST, CHILD: A region in a memfd. */
#include "result/region.h"

#include "base/descriptors.h"
#include "base/rlimits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

#define CAPACITY_MIN ((size_t)64 << 10)
/* From this size on a huge page is faster than small ones in its place (tests/bench). */
#define HUGE_MIN ((size_t)128 << 10)
/* How much memory behind the used bytes is made of huge pages ahead, or as much again as is used if
 * that is more. Memory that the function has only reserved must not cost much. But 64 MiB cost some
 * 20 ms in this way, and 70 ms by small pages. */
#define AHEAD_MIN ((size_t)64 << 20)

static struct {
    void *data;
    size_t mapped;
    size_t huge; /* up to here it is made of huge pages, as far as there were any */
} region;        /* the child's region */

int fc_region_open(void)
{
    const int fd = memfd_create("forkcall", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

void *fc_region_map(size_t size, int protection, int flags, int fd)
{
    if (size < FC_HUGE_PAGE) {
        void *data = mmap(NULL, size, protection, flags, fd, 0);
        return data == MAP_FAILED ? NULL : data;
    }
    char *space = mmap(NULL, size + FC_HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return NULL;
    const size_t before = (FC_HUGE_PAGE - (uintptr_t)space % FC_HUGE_PAGE) % FC_HUGE_PAGE;
    char *data = mmap(space + before, size, protection, flags | MAP_FIXED, fd, 0);
    if (data == MAP_FAILED) {
        munmap(space, size + FC_HUGE_PAGE);
        return NULL;
    }
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t used = (size + page - 1) / page * page;
    if (before > 0)
        munmap(space, before);
    if (before + used < size + FC_HUGE_PAGE)
        munmap(data + used, FC_HUGE_PAGE - before - (used - size));
    return data;
}

/* Asks for huge pages, because a new page costs more than what is written to it. Shared memory gets
 * huge pages without privilege only in this way, and only if a part of the huge page is present.
 * One call asks for all: each call waits until every processor has emptied its lists of pages,
 * which takes longer than everything else here on a busy machine. */
static void use_huge_pages(size_t filled, size_t used)
{
    const size_t ahead = used > AHEAD_MIN ? used : AHEAD_MIN;
    const size_t end = used < region.mapped && ahead < region.mapped - used ? used + ahead : region.mapped;
    const size_t from = (filled > region.huge ? filled : region.huge) / FC_HUGE_PAGE * FC_HUGE_PAGE;
    const size_t to = end / FC_HUGE_PAGE * FC_HUGE_PAGE;
    char *data = region.data;
    if (from >= to)
        return;
    for (size_t at = from; at < to; at += FC_HUGE_PAGE) {
        volatile char *page = data + at;
        *page = *page;
    }
    madvise(data + from, to - from, MADV_COLLAPSE);
    region.huge = to;
}

void *fc_region_grow(int fd, size_t *capacity, size_t filled, size_t used)
{
    size_t size = *capacity < CAPACITY_MIN ? CAPACITY_MIN : *capacity;
    if (size > PTRDIFF_MAX - 2 * FC_HUGE_PAGE)
        return NULL;
    const size_t unit = size < HUGE_MIN ? CAPACITY_MIN : FC_HUGE_PAGE;
    size = (size + unit - 1) / unit * unit;
    if (fd < 0 || !fc_fds_child_has(fd) || !fc_limits_allow_file(size) || ftruncate(fd, (off_t)size) < 0)
        return NULL;
    char *data = fc_region_map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    if (data == NULL)
        return NULL;
    const size_t huge = region.huge;
    fc_region_unmap();
    region.data = data;
    region.mapped = size;
    region.huge = huge;
    if (size >= FC_HUGE_PAGE)
        use_huge_pages(filled, used);
    *capacity = size;
    return data;
}

void fc_region_forget(void)
{
    memset(&region, 0, sizeof region);
}

void fc_region_unmap(void)
{
    if (region.data != NULL)
        munmap(region.data, region.mapped);
    fc_region_forget();
}
