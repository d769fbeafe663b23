/* HOST: takes over what a child has left in the region. */
#include "result/region.h"

#include "result/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to this size the region is read into memory of the caller's: a result must not pin a huge page
 * that it fills to a small part. Above it sealing and mapping is faster (tests/bench). */
#define COPY_MAX ((size_t)256 << 10)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

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

/* Reads what the file holds. A hole is not read: size is only the child's word, and what it never
 * wrote must not cost the caller memory. */
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

/* Gives back what growing by leaps has left over, by whole huge pages: to split one takes
 * milliseconds. The child may have no system call left for it. */
static void give_back(int fd, off_t have, size_t size)
{
    const size_t used = (size + FC_HUGE_PAGE - 1) / FC_HUGE_PAGE * FC_HUGE_PAGE;
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
    void *data = fc_region_map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    if (data == NULL)
        return -ENOMEM;
    fc_buf_adopt_mapping(buf, data, size, size);
    return 0;
}
