/* ANY: Grows a buffer on the heap, in fixed memory, or in memory that a child shares with its
 * host. */
#include "result/buf.h"

#include "base/kept.h"
#include "result/region.h"
#include "result/shared_buf.h"
#include "result/small_result.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Up to this size copying is cheaper than giving up the buffer's own memory, which is faulted in,
 * for the other's. */
#define DELIVER_BY_COPY_MAX 16384U
#define HEAP_MIN 64U
#define SMALL_MAPPINGS 16U

static atomic_uint small_mappings; /* how many there are */

static bool kind_is(const struct forkcall_buf *buf, enum fc_buf_kind kind)
{
    return buf->kind_private == (uint32_t)kind;
}

struct forkcall_buf forkcall_buf_fixed(void *storage, size_t capacity)
{
    struct forkcall_buf buf = FORKCALL_BUF_INIT;
    buf.data = storage;
    buf.capacity_private = capacity;
    buf.kind_private = FC_BUF_FIXED;
    return buf;
}

struct forkcall_buf fc_buf_in_child(void *storage, size_t capacity, int region_fd, size_t small)
{
    struct forkcall_buf buf = forkcall_buf_fixed(storage, capacity);
    buf.kind_private = FC_BUF_SMALL;
    buf.reserved[0] = (uint64_t)(int64_t)region_fd;
    buf.reserved[1] = small;
    return buf;
}

static int region_fd(const struct forkcall_buf *buf)
{
    return (int)(int64_t)buf->reserved[0];
}

bool fc_buf_is_valid(const struct forkcall_buf *buf)
{
    if (buf->kind_private > FC_BUF_SHARED || buf->size > buf->capacity_private)
        return false;
    if (kind_is(buf, FC_BUF_SHARED) && buf->data == NULL) /* it gets its memory at its first use */
        return buf->size == 0;
    return buf->capacity_private == 0 || buf->data != NULL;
}

bool fc_buf_keeps_place(const struct forkcall_buf *buf)
{
    return kind_is(buf, FC_BUF_FIXED) || kind_is(buf, FC_BUF_SHARED);
}

void fc_buf_set_limit(struct forkcall_buf *buf, size_t limit)
{
    buf->limit_private = limit >= PTRDIFF_MAX ? 0 : limit + 1;
}

size_t fc_buf_limit(const struct forkcall_buf *buf)
{
    /* limit_private is the limit plus one, so that an all-zero struct has none. */
    const size_t limit = buf->limit_private == 0 ? PTRDIFF_MAX : buf->limit_private - 1;
    if (fc_buf_keeps_place(buf) && buf->capacity_private < limit)
        return buf->capacity_private;
    return limit;
}

void fc_buf_clear(struct forkcall_buf *buf)
{
    buf->size = 0;
    buf->error_private = 0;
}

int fc_buf_error(const struct forkcall_buf *buf)
{
    return buf->error_private;
}

bool fc_buf_small_mapping_is_free(void)
{
    return atomic_load(&small_mappings) < SMALL_MAPPINGS;
}

static void unmap(const struct forkcall_buf *buf)
{
    munmap(buf->data, buf->capacity_private);
    if (buf->capacity_private < FC_BUF_SMALL_MAPPING)
        atomic_fetch_sub(&small_mappings, 1);
}

static size_t grown(const struct forkcall_buf *buf, size_t needed)
{
    const size_t limit = fc_buf_limit(buf);
    size_t capacity = buf->capacity_private < HEAP_MIN ? HEAP_MIN : buf->capacity_private;
    if (capacity < needed)
        capacity = capacity > limit / 2 ? limit : capacity * 2;
    return capacity < needed ? needed : capacity;
}

/* Moves a buffer of any kind to the heap. */
static int grow_on_heap(struct forkcall_buf *buf, size_t needed)
{
    const size_t capacity = grown(buf, needed);
    void *data = realloc(kind_is(buf, FC_BUF_HEAP) ? buf->data : NULL, capacity);
    if (data == NULL)
        return -ENOMEM;
    if (!kind_is(buf, FC_BUF_HEAP)) {
        if (buf->size > 0)
            memcpy(data, buf->data, buf->size);
        if (kind_is(buf, FC_BUF_MAPPED))
            unmap(buf);
        else if (kind_is(buf, FC_BUF_REGION))
            fc_region_unmap();
        buf->kind_private = FC_BUF_HEAP;
    }
    buf->data = data;
    buf->capacity_private = capacity;
    return 0;
}

static void move_to(struct forkcall_buf *buf, void *data, size_t capacity)
{
    if (buf->size > 0)
        memcpy(data, buf->data, buf->size);
    buf->data = data;
    buf->capacity_private = capacity;
}

/* Moves a child's result that has outgrown its place: from the stack to fc_small_result, then to
 * the region, else to the heap. */
static int grow_in_child(struct forkcall_buf *buf, size_t needed, size_t used)
{
    if (kind_is(buf, FC_BUF_SMALL) && needed <= buf->reserved[1]) {
        move_to(buf, fc_small_result, (size_t)buf->reserved[1]);
        return 0;
    }
    size_t capacity = grown(buf, needed);
    void *data = fc_region_grow(region_fd(buf), &capacity, buf->size, used);
    if (data == NULL)
        return grow_on_heap(buf, needed);
    if (kind_is(buf, FC_BUF_SMALL))
        move_to(buf, data, capacity);
    buf->kind_private = FC_BUF_REGION;
    buf->data = data;
    buf->capacity_private = capacity;
    return 0;
}

static int grow(struct forkcall_buf *buf, size_t needed, size_t used)
{
    if (kind_is(buf, FC_BUF_SMALL) || kind_is(buf, FC_BUF_REGION))
        return grow_in_child(buf, needed, used);
    return grow_on_heap(buf, needed);
}

/* filled: the size bytes are filled at once. Otherwise the function may have asked for more than it
 * uses. */
static int make_room(struct forkcall_buf *buf, size_t size, bool filled)
{
    if (size > fc_buf_limit(buf) - buf->size)
        return fc_buf_limit(buf) == PTRDIFF_MAX ? -ENOMEM : -EFBIG;
    const size_t needed = buf->size + size;
    if (kind_is(buf, FC_BUF_SHARED))
        return fc_shared_buf_reach(buf, needed);
    return needed <= buf->capacity_private ? 0 : grow(buf, needed, filled ? needed : buf->size);
}

static void *extend(struct forkcall_buf *buf, size_t size, bool filled)
{
    static _Alignas(max_align_t) char nothing[1];
    if (buf == NULL || !fc_buf_is_valid(buf))
        return NULL;
    const int r = make_room(buf, size, filled);
    if (r < 0) {
        buf->error_private = r;
        return NULL;
    }
    if (buf->data == NULL)
        /* The size is 0 and there is no storage. NULL would mean failure, so another place is
         * returned. */
        return nothing;
    void *place = (char *)buf->data + buf->size;
    buf->size += size;
    return place;
}

void *forkcall_buf_extend(struct forkcall_buf *buf, size_t size)
{
    return extend(buf, size, false);
}

void *fc_buf_take_room(struct forkcall_buf *buf, size_t size)
{
    if (kind_is(buf, FC_BUF_HEAP) && buf->capacity_private == 0 && size <= fc_buf_limit(buf)) {
        buf->data = malloc(size);
        buf->capacity_private = buf->data != NULL ? size : 0;
    }
    return forkcall_buf_extend(buf, size);
}

int forkcall_buf_append(struct forkcall_buf *buf, const void *data, size_t size)
{
    if (buf == NULL || !fc_buf_is_valid(buf) || (data == NULL && size > 0))
        return -EINVAL;
    void *place = extend(buf, size, true);
    if (place == NULL)
        return buf->error_private;
    const bool written = kind_is(buf, FC_BUF_REGION) && fc_region_write(region_fd(buf), buf->size - size, data, size);
    if (size > 0 && !written)
        memcpy(place, data, size);
    return 0;
}

int forkcall_buf_truncate(struct forkcall_buf *buf, size_t size)
{
    if (buf == NULL || size > buf->size)
        return -EINVAL;
    buf->size = size;
    buf->error_private = 0;
    return 0;
}

static void release(struct forkcall_buf *buf)
{
    if (kind_is(buf, FC_BUF_HEAP))
        free(buf->data);
    else if (kind_is(buf, FC_BUF_MAPPED))
        unmap(buf);
    else if (kind_is(buf, FC_BUF_REGION))
        fc_region_unmap();
    else if (kind_is(buf, FC_BUF_SHARED))
        fc_shared_buf_close(buf);
}

void forkcall_buf_free(struct forkcall_buf *buf)
{
    if (buf == NULL)
        return;
    const size_t limit = buf->limit_private; /* set by the call whose result this is */
    const struct fc_kept kept = fc_keep();
    release(buf);
    *buf = (struct forkcall_buf)FORKCALL_BUF_INIT;
    buf->limit_private = limit;
    fc_restore(kept);
}

int fc_buf_deliver(struct forkcall_buf *to, struct forkcall_buf *from)
{
    const bool copy = fc_buf_keeps_place(to) || kind_is(from, FC_BUF_FIXED) ||
                      (from->size <= DELIVER_BY_COPY_MAX && from->size <= to->capacity_private);
    int r = 0;
    fc_buf_clear(to);
    if (copy) {
        r = forkcall_buf_append(to, from->data, from->size);
    } else {
        release(to);
        to->kind_private = from->kind_private;
        to->data = from->data;
        to->size = from->size;
        to->capacity_private = from->capacity_private;
        *from = (struct forkcall_buf)FORKCALL_BUF_INIT;
    }
    forkcall_buf_free(from);
    to->error_private = 0;
    return r;
}

void fc_buf_adopt_mapping(struct forkcall_buf *buf, void *data, size_t size, size_t mapped)
{
    release(buf);
    if (mapped < FC_BUF_SMALL_MAPPING)
        atomic_fetch_add(&small_mappings, 1);
    buf->kind_private = FC_BUF_MAPPED;
    buf->data = data;
    buf->size = size;
    buf->capacity_private = mapped;
    buf->error_private = 0;
}
