/* ANY: Memory that a child fills with a large result, in place, and that the caller takes over.
 *
 * The caller creates it (a descriptor and nothing else, memory comes with use), the child maps it
 * and unmaps it before its trailer. The caller maps it only when no process can write to it any
 * more, else it copies: no SIGBUS, no double fetch. */
#ifndef FC_RESULT_REGION_H
#define FC_RESULT_REGION_H

#include <forkcall.h>

#define FC_HUGE_PAGE ((size_t)2 << 20)

/* In the caller: a descriptor, or a negative errno: the result then travels in the pipe. */
int fc_region_open(void);

/* In the child: makes the region at least *capacity bytes large and maps it, in place of an earlier
 * mapping, whose bytes it keeps. filled bytes are there, and used are to be at once: how much of
 * the rest will be, nobody knows. fd -1: there is none. NULL: not to be had, all is as before. Sets
 * *capacity. */
void *fc_region_grow(int fd, size_t *capacity, size_t filled, size_t used);

/* In the child of a nested call, first: forgets the outer call's mapping, which belongs to the
 * outer call. */
void fc_region_forget(void);

/* In the child: no mapping from now on: the caller wants to seal. */
void fc_region_unmap(void);

/* mmap(2), at an address that huge pages can be used at; NULL: not to be had. */
void *fc_region_map(size_t size, int protection, int flags, int fd);

/* In the caller: puts the size bytes of the region into buf, whose content is replaced. fd stays
 * open. -EPROTO: the region does not hold so many bytes. -ENOMEM. */
int fc_region_take(int fd, size_t size, struct forkcall_buf *buf);

#endif
