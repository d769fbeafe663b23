/* HOST, CHILD: For systems without sealed memory files: every result travels in the pipe. */
#include "result/region.h"

#include <errno.h>

int fc_region_open(void)
{
    return -ENOSYS;
}

bool fc_region_keep_size(int fd)
{
    (void)fd;
    return false;
}

void *fc_region_grow(int fd, size_t *capacity, size_t filled, size_t used)
{
    (void)fd;
    (void)capacity;
    (void)filled;
    (void)used;
    return NULL;
}

bool fc_region_write(int fd, size_t at, const void *data, size_t size)
{
    (void)fd;
    (void)at;
    (void)data;
    (void)size;
    return false;
}

void fc_region_begin(size_t expected)
{
    (void)expected;
}

void fc_region_unmap(void)
{
}

size_t fc_region_expected(forkcall_fn *fn)
{
    (void)fn;
    return 0;
}

void fc_region_note(forkcall_fn *fn, size_t size)
{
    (void)fn;
    (void)size;
}

int fc_region_take(int fd, size_t size, struct forkcall_buf *buf)
{
    (void)fd;
    (void)size;
    (void)buf;
    return -EPROTO;
}
