/* ANY: struct forkcall_buf from the inside. */
#ifndef FC_RESULT_BUF_H
#define FC_RESULT_BUF_H

#include <forkcall.h>

enum fc_buf_kind {
    FC_BUF_HEAP = 0,   /* malloc; so an all-zero struct is an empty buffer */
    FC_BUF_FIXED = 1,  /* the caller's storage, capacity bytes */
    FC_BUF_MAPPED = 2, /* a private mapping of capacity bytes, that a large result came in */
    /* In a child: storage that outlives the call; what outgrows it moves to the region or the
     * heap. */
    FC_BUF_SMALL = 3,
    FC_BUF_REGION = 4, /* in a child: the region that is shared with the caller (result/region.h) */
};

/* NULL, a known kind, data where there is a size. */
bool fc_buf_is_valid(const struct forkcall_buf *buf);

/* What a child's result begins with: a place for capacity bytes, then the region of this descriptor
 * (-1: none). */
struct forkcall_buf fc_buf_in_child(void *storage, size_t capacity, int region_fd, bool arena_is_free);

/* No more than limit bytes from now on. */
void fc_buf_set_limit(struct forkcall_buf *buf, size_t limit);

/* The most bytes that buf can take. */
size_t fc_buf_limit(const struct forkcall_buf *buf);

/* Empties buf, keeping what storage it has, and forgets an error. */
void fc_buf_clear(struct forkcall_buf *buf);

/* The error that stuck to buf: 0, -ENOMEM or -EFBIG. */
int fc_buf_error(const struct forkcall_buf *buf);

/* Puts the bytes of from, which is FC_BUF_HEAP or FC_BUF_FIXED and is emptied, in place of those of
 * to; by moving the memory where that saves a copy. 0, -ENOMEM or -EFBIG with to empty. */
int fc_buf_deliver(struct forkcall_buf *to, struct forkcall_buf *from);

/* Gives memory back that the buffer holds on its heap or by a mapping, and puts the given mapping
 * in its place. */
void fc_buf_adopt_mapping(struct forkcall_buf *buf, void *data, size_t size, size_t mapped);

#endif
