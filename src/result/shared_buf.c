/* ANY: The memory of forkcall_buf_shared. */
#include "result/shared_buf.h"

#include "base/descriptors.h"
#include "base/rlimits.h"
#include "base/shared_args.h"
#include "result/buf.h"
#include "result/pages.h"
#include "result/region.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNIT ((size_t)64 << 10) /* a multiple of the page size of every system */
/* Nobody knows how much a function uses of what it asks for at once. So many bytes get huge pages
 * ahead, and as many as a result of an earlier call had. */
#define AHEAD ((size_t)16 << 20)
/* Mapping so many pages by one system call is faster than one by one. */
#define TOUCH_MIN ((size_t)32 << 10)

/* The words of forkcall_buf.reserved. */
enum {
    FD,             /* plus one; 0: none */
    DEVICE,         /* of the descriptor */
    INODE,          /* of the descriptor */
    KEEPS_ITS_SIZE, /* 1: nobody can change the size of the file */
    HUGE,           /* see struct fc_shared_place */
    LARGEST,        /* see struct fc_shared_place */
    CLAIMED,        /* 1: a call uses the buffer */
    TOUCHED,        /* in a child: so many bytes were mapped ahead */
};

static size_t mapped_size(size_t capacity)
{
    const size_t unit = capacity < FC_HUGE_MIN ? UNIT : FC_HUGE_PAGE;
    return capacity > PTRDIFF_MAX - 2 * FC_HUGE_PAGE ? 0 : (capacity + unit - 1) / unit * unit;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct forkcall_buf forkcall_buf_shared(size_t capacity)
{
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    buf.capacity_private = capacity;
    buf.kind_private = FC_BUF_SHARED;
    return buf;
}

/* ---- The memory ------------------------------------------------------------------------------ */

static struct fc_fd_identity identity(const struct forkcall_buf *buf)
{
    return (struct fc_fd_identity){.device = (dev_t)buf->reserved[DEVICE], .inode = (ino_t)buf->reserved[INODE]};
}

static int open_file(size_t size)
{
    if (!fc_limits_allow_file(size))
        return -1;
    int fd = fc_region_open();
    if (fd == -ENOSYS)
        fd = fc_shared_args_open();
    fd = fc_fd_above_streams(fd);
    if (fd >= 0 && ftruncate(fd, (off_t)size) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void keep_file(struct forkcall_buf *buf, int fd)
{
    struct stat file;
    if (fstat(fd, &file) < 0) {
        close(fd);
        return;
    }
    buf->reserved[FD] = (uint64_t)fd + 1;
    buf->reserved[DEVICE] = (uint64_t)file.st_dev;
    buf->reserved[INODE] = (uint64_t)file.st_ino;
    buf->reserved[KEEPS_ITS_SIZE] = fc_region_keep_size(fd);
}

/* Without a file there is memory that only forks share. The result of another child is copied. */
static int open_memory(struct forkcall_buf *buf)
{
    const size_t size = mapped_size(buf->capacity_private);
    if (size == 0)
        return -ENOMEM;
    const int fd = open_file(size);
    const int flags = fd >= 0 ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS;
    void *data = fc_pages_map(size, PROT_READ | PROT_WRITE, flags, fd >= 0 ? fd : -1);
    if (data == NULL) {
        if (fd >= 0)
            close(fd);
        return -ENOMEM;
    }
    buf->data = data;
    if (fd >= 0)
        keep_file(buf, fd);
    return 0;
}

void fc_shared_buf_close(struct forkcall_buf *buf)
{
    const int fd = fc_shared_buf_fd(buf);
    if (buf->data != NULL)
        munmap(buf->data, mapped_size(buf->capacity_private));
    if (fd >= 0)
        close(fd);
}

int fc_shared_buf_fd(const struct forkcall_buf *buf)
{
    const int fd = (int)buf->reserved[FD] - 1;
    const struct fc_fd_identity mark = identity(buf);
    return fd >= 0 && fc_fd_identity_holds_any(fd, &mark) ? fd : -1;
}

/* ---- The pages ------------------------------------------------------------------------------- */

static void make_huge(struct forkcall_buf *buf, size_t needed)
{
    const size_t largest = (size_t)buf->reserved[LARGEST];
    const size_t sure = smaller(needed, largest > AHEAD ? largest : AHEAD);
    const size_t to = (sure + FC_HUGE_PAGE - 1) / FC_HUGE_PAGE * FC_HUGE_PAGE;
    const size_t from = (size_t)buf->reserved[HUGE] / FC_HUGE_PAGE * FC_HUGE_PAGE;
    if (sure <= buf->reserved[HUGE] || sure < FC_HUGE_MIN || buf->capacity_private < FC_HUGE_MIN)
        return;
    fc_pages_make_huge(buf->data, from, to);
    buf->reserved[HUGE] = to;
}

/* Pages that exist are mapped at once. */
static void touch(struct forkcall_buf *buf, size_t needed)
{
    const size_t to = smaller(needed, (size_t)buf->reserved[LARGEST]);
    const size_t from = (size_t)buf->reserved[TOUCHED];
    if (to < from + TOUCH_MIN)
        return;
    const size_t end = (to + UNIT - 1) / UNIT * UNIT;
    fc_pages_touch(buf->data, from, end);
    buf->reserved[TOUCHED] = end;
}

int fc_shared_buf_reach(struct forkcall_buf *buf, size_t needed)
{
    if (buf->data == NULL && buf->capacity_private > 0) {
        const int r = open_memory(buf);
        if (r < 0)
            return r;
    }
    make_huge(buf, needed);
    touch(buf, needed);
    return 0;
}

/* ---- A call ---------------------------------------------------------------------------------- */

int fc_shared_buf_claim(struct forkcall_buf *buf, struct fc_shared_place *place)
{
    if (buf->data == NULL && buf->capacity_private > 0) {
        const int r = open_memory(buf);
        if (r < 0)
            return r;
    }
    buf->reserved[CLAIMED] = 1;
    *place = (struct fc_shared_place){.data = buf->data,
                                      .capacity = buf->capacity_private,
                                      .huge = (size_t)buf->reserved[HUGE],
                                      .largest = (size_t)buf->reserved[LARGEST]};
    return 0;
}

bool fc_shared_buf_is_claimed(const struct forkcall_buf *buf)
{
    return buf->kind_private == FC_BUF_SHARED && buf->reserved[CLAIMED] != 0;
}

void fc_shared_buf_unclaim(struct forkcall_buf *buf)
{
    if (buf->kind_private == FC_BUF_SHARED)
        buf->reserved[CLAIMED] = 0;
}

bool fc_shared_buf_holds(const struct forkcall_buf *buf, size_t size)
{
    struct stat file;
    if (buf->reserved[KEEPS_ITS_SIZE] != 0)
        return true;
    const int fd = fc_shared_buf_fd(buf);
    return fd < 0 || fstat(fd, &file) < 0 || (uintmax_t)file.st_size >= size;
}

bool fc_shared_buf_accept(struct forkcall_buf *buf, const struct fc_shared_place *place, size_t size)
{
    if (buf->kind_private != FC_BUF_SHARED || buf->data != place->data || size > buf->capacity_private)
        return false;
    const size_t made = smaller(size, place->largest > AHEAD ? place->largest : AHEAD);
    if (made > buf->reserved[HUGE])
        buf->reserved[HUGE] = made;
    if (size > buf->reserved[LARGEST])
        buf->reserved[LARGEST] = size;
    buf->size = size;
    return true;
}

void *fc_shared_buf_map(int fd, size_t capacity)
{
    return fc_pages_map(mapped_size(capacity), PROT_READ | PROT_WRITE, MAP_SHARED, fd);
}

struct forkcall_buf fc_shared_buf_in_child(const struct fc_shared_place *place)
{
    struct forkcall_buf buf = forkcall_buf_shared(place->capacity);
    buf.data = place->data;
    buf.reserved[HUGE] = place->huge;
    buf.reserved[LARGEST] = place->largest;
    return buf;
}
