/* HOST: Takes over what a child has left in the region. */
#include "result/region.h"

#include "result/buf.h"
#include "result/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* From this size on the region is mapped and becomes the host's own, which saves a copy: 64 KiB are
 * mapped in 4 us and copied in 40, of which 35 are for new pages (tests/bench). */
#define MAP_MIN ((size_t)16 << 10)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* ---- What earlier results took up ------------------------------------------------------------ */

/* A place for each of some functions. Two that share one lose what was noted of the other. */
#define PLACES 16U
static struct {
    _Atomic(uintptr_t) fn;
    atomic_size_t size;
} places[PLACES];

static unsigned place_of(forkcall_fn *fn)
{
    return (unsigned)((uintptr_t)fn / 16 % PLACES);
}

size_t fc_region_expected(forkcall_fn *fn)
{
    const unsigned place = place_of(fn);
    return atomic_load(&places[place].fn) == (uintptr_t)fn ? atomic_load(&places[place].size) : 0;
}

void fc_region_note(forkcall_fn *fn, size_t size)
{
    const unsigned place = place_of(fn);
    atomic_store(&places[place].size, size);
    atomic_store(&places[place].fn, (uintptr_t)fn);
}

/* ---- Taking ---------------------------------------------------------------------------------- */

/* Seals the file. True: no process can change it any more, whatever descriptors it has. */
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
            return -EPROTO; /* the file was made shorter meanwhile */
        at += (size_t)n;
    }
    return 0;
}

/* Copies what the file holds, but not its holes: only the child says how large the file is, and
 * what it never wrote must not cost the host memory. */
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
    if (size < FC_BUF_SMALL_MAPPING || fc_buf_keeps_place(buf)) {
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

/* Frees what the region has grown too large, in whole huge pages, because splitting one takes
 * milliseconds. The child cannot do it: its function may have forbidden it all system calls but a
 * few. */
static void give_back(int fd, off_t have, size_t size)
{
    const size_t used = (size + FC_HUGE_PAGE - 1) / FC_HUGE_PAGE * FC_HUGE_PAGE;
    if ((uintmax_t)have > used && ftruncate(fd, (off_t)used) < 0)
        return; /* it is larger than needed, which does no harm */
}

/* A small result must not keep a huge page in use, and there must not be too many mappings. */
static bool may_map(const struct forkcall_buf *buf, size_t size, off_t file_size)
{
    if (size < MAP_MIN || fc_buf_keeps_place(buf))
        return false;
    return size >= FC_BUF_SMALL_MAPPING || ((uintmax_t)file_size < FC_HUGE_PAGE && fc_buf_small_mapping_is_free());
}

int fc_region_take(int fd, size_t size, struct forkcall_buf *buf)
{
    struct stat file;
    if (fstat(fd, &file) < 0 || file.st_size < 0 || (uintmax_t)file.st_size < size)
        return -EPROTO;
    if (!may_map(buf, size, file.st_size))
        return take_by_copy(fd, size, buf);
    give_back(fd, file.st_size, size);
    if (!seal(fd))
        return take_by_copy(fd, size, buf);
    /* The size was checked before the file was sealed, so it is checked again now that it cannot
     * change. */
    if (fstat(fd, &file) < 0 || file.st_size < 0 || (uintmax_t)file.st_size < size)
        return -EPROTO;
    void *data = fc_pages_map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    if (data == NULL)
        return take_by_copy(fd, size, buf);
    fc_buf_adopt_mapping(buf, data, size, size);
    return 0;
}
