/* ANY: The inside of struct forkcall_buf. */
#ifndef FC_RESULT_BUF_H
#define FC_RESULT_BUF_H

#include <forkcall.h>

enum fc_buf_kind {
    FC_BUF_HEAP = 0,   /* malloc; so an all-zero struct is an empty buffer */
    FC_BUF_FIXED = 1,  /* the caller's storage, capacity bytes */
    FC_BUF_MAPPED = 2, /* a private mapping of capacity bytes, in which a large result came */
    /* In a child: storage that outlives the call. A result that outgrows it moves to the region or
     * to the heap. */
    FC_BUF_SMALL = 3,
    FC_BUF_REGION = 4, /* in a child: the region that it shares with the host (result/region.h) */
    /* Memory that the caller shares with its children (result/shared_buf.h), capacity bytes. */
    FC_BUF_SHARED = 5,
};

/* True: the buffer was initialised: its kind is known, and it has data if it has capacity. */
bool fc_buf_is_valid(const struct forkcall_buf *buf);

/* True: the bytes stay where they are, and a result is copied there, or was written there. */
bool fc_buf_keeps_place(const struct forkcall_buf *buf);

/* An empty result for a child: a place for capacity bytes, then the region of this descriptor (-1:
 * none). small: how much of fc_small_result can be used between the two. */
struct forkcall_buf fc_buf_in_child(void *storage, size_t capacity, int region_fd, size_t small);

/* Lets the buffer hold no more than limit bytes from now on. */
void fc_buf_set_limit(struct forkcall_buf *buf, size_t limit);

/* As forkcall_buf_extend, for a buffer that is empty and will not grow: memory of the heap is not
 * larger than needed. */
void *fc_buf_take_room(struct forkcall_buf *buf, size_t size);

/* The most bytes that buf can take. */
size_t fc_buf_limit(const struct forkcall_buf *buf);

/* Empties buf, keeps its storage, and forgets an error. */
void fc_buf_clear(struct forkcall_buf *buf);

/* The error that buf keeps since it happened: 0, -ENOMEM or -EFBIG. */
int fc_buf_error(const struct forkcall_buf *buf);

/* Replaces the bytes of to by those of from, which is FC_BUF_HEAP or FC_BUF_FIXED and becomes
 * empty. Moves the memory if that saves copying. 0; -ENOMEM or -EFBIG with to empty. */
int fc_buf_deliver(struct forkcall_buf *to, struct forkcall_buf *from);

/* Each mapping makes the host's later forks slower by 2 us. So of results below this size, for
 * which a copy costs less than 100 us, only a few are mapped at the same time. True: one more may
 * be. Thread-safe. */
#define FC_BUF_SMALL_MAPPING ((size_t)256 << 10)
bool fc_buf_small_mapping_is_free(void);

/* Frees the buffer's memory, and puts the given mapping in its place. */
void fc_buf_adopt_mapping(struct forkcall_buf *buf, void *data, size_t size, size_t mapped);

#endif
