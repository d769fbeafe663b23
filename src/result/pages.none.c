/* HOST, CHILD: For systems whose way to huge pages is not known. */
#include "result/pages.h"

#include <sys/mman.h>

void *fc_pages_map(size_t size, int protection, int flags, int fd)
{
    void *data = mmap(NULL, size, protection, flags, fd, 0);
    return data == MAP_FAILED ? NULL : data;
}

void fc_pages_make_huge(void *data, size_t from, size_t to)
{
    (void)data;
    (void)from;
    (void)to;
}

void fc_pages_touch(void *data, size_t from, size_t to)
{
    (void)data;
    (void)from;
    (void)to;
}
