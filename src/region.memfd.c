#include "region.h"

#include "buf.h"
#include "fds.h"
#include "rlimits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

#define HUGE_PAGE ((size_t)2 << 20)
#define CAPACITY_MIN ((size_t)64 << 10)
/* From here on a huge page is faster than the small ones in its place (tests/bench). */
#define HUGE_MIN ((size_t)128 << 10)
/* Up to this size the region is read into memory of the caller's: a result must not pin a huge page that it fills to a small
 * part. Above it sealing and mapping is faster (tests/bench). */
#define COPY_MAX ((size_t)256 << 10)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* So much more than what is used is made of huge pages ahead, or as much again as is used where that is more. What the
 * function has only reserved must not cost it memory; but 64 MiB cost some 20 ms that way, and 70 ms by small pages. */
#define AHEAD_MIN ((size_t)64 << 20)

static struct {
    void *data;
    size_t mapped;
    size_t huge; /* up to here it was made of huge pages, as far as there were any */
} region;        /* the child's */

int fc_region_open(void)
{
    const int fd = memfd_create("forkcall", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

/* mmap, at an address that huge pages can be used at. */
static void *map_aligned(size_t size, int protection, int flags, int fd)
{
    if (size < HUGE_PAGE) {
        void *data = mmap(NULL, size, protection, flags, fd, 0);
        return data == MAP_FAILED ? NULL : data;
    }
    char *space = mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return NULL;
    const size_t before = (HUGE_PAGE - (uintptr_t)space % HUGE_PAGE) % HUGE_PAGE;
    char *data = mmap(space + before, size, protection, flags | MAP_FIXED, fd, 0);
    if (data == MAP_FAILED) {
        munmap(space, size + HUGE_PAGE);
        return NULL;
    }
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t used = (size + page - 1) / page * page;
    if (before > 0)
        munmap(space, before);
    if (before + used < size + HUGE_PAGE)
        munmap(data + used, HUGE_PAGE - before - (used - size));
    return data;
}

/* A fresh page costs more than what is written to it, so ask for huge ones. Shared memory gets them without privilege only
 * this way, and only where a part of the huge page is present. All by one call: each waits until every processor has
 * emptied its lists of pages, which on a busy machine takes longer than all else here. */
static void use_huge_pages(size_t filled, size_t used)
{
    const size_t ahead = used > AHEAD_MIN ? used : AHEAD_MIN;
    const size_t end = used < region.mapped && ahead < region.mapped - used ? used + ahead : region.mapped;
    const size_t from = (filled > region.huge ? filled : region.huge) / HUGE_PAGE * HUGE_PAGE;
    const size_t to = end / HUGE_PAGE * HUGE_PAGE;
    char *data = region.data;
    if (from >= to)
        return;
    for (size_t at = from; at < to; at += HUGE_PAGE) {
        volatile char *page = data + at;
        *page = *page;
    }
    madvise(data + from, to - from, MADV_COLLAPSE);
    region.huge = to;
}

void *fc_region_grow(int fd, size_t *capacity, size_t filled, size_t used)
{
    size_t size = *capacity < CAPACITY_MIN ? CAPACITY_MIN : *capacity;
    if (size > PTRDIFF_MAX - 2 * HUGE_PAGE)
        return NULL;
    const size_t unit = size < HUGE_MIN ? CAPACITY_MIN : HUGE_PAGE;
    size = (size + unit - 1) / unit * unit;
    if (fd < 0 || !fc_fds_child_has(fd) || !fc_limits_allow_file(size) || ftruncate(fd, (off_t)size) < 0)
        return NULL;
    char *data = map_aligned(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    if (data == NULL)
        return NULL;
    const size_t huge = region.huge;
    fc_region_unmap();
    region.data = data;
    region.mapped = size;
    region.huge = huge;
    if (size >= HUGE_PAGE)
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

/* No process can change the file any more, whatever it holds open. */
static bool seal(int fd)
{
    if (fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return true;
    const int have = fcntl(fd, F_GET_SEALS);
    return have >= 0 && (have & SEALS) == SEALS;
}

static int read_part(int fd, char *to, size_t at, size_t end)
{
    while (at < end) {
        const ssize_t n = pread(fd, to + at, end - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -EPROTO; /* made shorter meanwhile */
        at += (size_t)n;
    }
    return 0;
}

/* Reads what the file holds. A hole is not read: size is only the child's word, and what it never wrote must not cost the
 * caller memory. */
static int copy(int fd, char *to, size_t size, bool to_is_zero)
{
    size_t at = 0;
    while (at < size) {
        const off_t found = lseek(fd, (off_t)at, SEEK_DATA);
        const size_t data = found < 0 || (size_t)found > size ? size : (size_t)found;
        if (!to_is_zero)
            memset(to + at, 0, data - at);
        const off_t hole = data < size ? lseek(fd, (off_t)data, SEEK_HOLE) : (off_t)size;
        if (hole < 0)
            return -EPROTO;
        at = (size_t)hole < size ? (size_t)hole : size;
        const int r = read_part(fd, to, data, at);
        if (r < 0)
            return r;
    }
    return 0;
}

static int take_by_copy(int fd, size_t size, struct forkcall_buf *buf)
{
    fc_buf_clear(buf);
    if (size <= COPY_MAX || buf->kind_private == FC_BUF_FIXED) {
        char *to = forkcall_buf_extend(buf, size);
        if (to == NULL)
            return fc_buf_error(buf);
        return copy(fd, to, size, false);
    }
    void *to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (to == MAP_FAILED)
        return -ENOMEM;
    const int r = copy(fd, to, size, true);
    if (r < 0)
        munmap(to, size);
    else
        fc_buf_adopt_mapping(buf, to, size, size);
    return r;
}

/* Gives back what growing by leaps has left over, by whole huge pages: to split one takes milliseconds. The child may have
 * no system call left for it. */
static void give_back(int fd, off_t have, size_t size)
{
    const size_t used = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    if ((uintmax_t)have > used && ftruncate(fd, (off_t)used) < 0)
        return; /* it is merely larger then */
}

int fc_region_take(int fd, size_t size, struct forkcall_buf *buf)
{
    struct stat file;
    if (fstat(fd, &file) < 0 || file.st_size < 0 || (uintmax_t)file.st_size < size)
        return -EPROTO;
    if (size > COPY_MAX && buf->kind_private != FC_BUF_FIXED)
        give_back(fd, file.st_size, size);
    if (size <= COPY_MAX || buf->kind_private == FC_BUF_FIXED || !seal(fd))
        return take_by_copy(fd, size, buf);
    /* Sealed after the size was checked: check again what can no longer change. */
    if (fstat(fd, &file) < 0 || file.st_size < 0 || (uintmax_t)file.st_size < size)
        return -EPROTO;
    void *data = map_aligned(size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    if (data == NULL)
        return -ENOMEM;
    fc_buf_adopt_mapping(buf, data, size, size);
    return 0;
}
