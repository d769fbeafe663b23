/* HOST, CHILD: Pages of shared memory, by madvise(2). */
#include "result/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

void *fc_pages_map(size_t size, int protection, int flags, int fd)
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

/* A new page costs more than what is written to it. Shared memory gets huge pages without privilege
 * only in this way, and only if a part of the huge page is present. One call asks for all: each
 * call waits until every processor has emptied its lists of pages, which takes longer than
 * everything else here on a busy machine. */
void fc_pages_make_huge(void *data, size_t from, size_t to)
{
    for (size_t at = from; at < to; at += FC_HUGE_PAGE) {
        volatile char *page = (char *)data + at;
        *page = *page;
    }
    madvise((char *)data + from, to - from, MADV_COLLAPSE);
}

void fc_pages_touch(void *data, size_t from, size_t to)
{
    madvise((char *)data + from, to - from, MADV_POPULATE_WRITE);
}
