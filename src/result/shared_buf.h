/* ANY: forkcall_buf_shared: a buffer of the caller's in memory that children fill in place, and
 * that is kept from call to call.
 *
 * The memory comes with the first use. A child by FORK has the host's mapping; another child gets
 * the descriptor of the file. Nobody can make the file shorter, so reading the bytes never ends in
 * SIGBUS. That they do not change after the call is for the function to keep: it is trusted. */
#ifndef FC_RESULT_SHARED_BUF_H
#define FC_RESULT_SHARED_BUF_H

#include <forkcall.h>

/* What a child is told of such a buffer. */
struct fc_shared_place {
    void *data; /* in the child; NULL: the child has no such buffer */
    size_t capacity;
    /* So many bytes have huge pages already, as far as there are any; and so many bytes did the
     * largest result of an earlier call have. */
    size_t huge, largest;
};

/* In the host, at the start of a call. Gets memory, if there is none yet, and notes that a call
 * uses the buffer. 0, and *place is filled in; or -ENOMEM. */
int fc_shared_buf_claim(struct forkcall_buf *buf, struct fc_shared_place *place);
/* The descriptor for a child that is no fork; -1: there is none, or the host has closed it. */
int fc_shared_buf_fd(const struct forkcall_buf *buf);
/* True: this is a shared buffer, and a call uses it. */
bool fc_shared_buf_is_claimed(const struct forkcall_buf *buf);
/* The end of the call. Does nothing to a buffer of another kind. */
void fc_shared_buf_unclaim(struct forkcall_buf *buf);

/* In the host: a child says that it has left size bytes in the buffer. False: it has made the file
 * shorter. */
bool fc_shared_buf_holds(const struct forkcall_buf *buf, size_t size);
/* The buffer has that size from now on. False: this is another buffer than at the start of the
 * call. */
bool fc_shared_buf_accept(struct forkcall_buf *buf, const struct fc_shared_place *place, size_t size);

/* In a child: the mapping of the descriptor, and the buffer at that place. */
void *fc_shared_buf_map(int fd, size_t capacity);
struct forkcall_buf fc_shared_buf_in_child(const struct fc_shared_place *place);

/* Prepares the memory for needed bytes, which are within the capacity. 0 or -ENOMEM. */
int fc_shared_buf_reach(struct forkcall_buf *buf, size_t needed);
void fc_shared_buf_close(struct forkcall_buf *buf);

#endif
