/* ANY: The region: memory that a child fills with a large result, and that the host takes over
 * without copying.
 *
 * The host opens it (a descriptor; memory comes with use). The child maps it, and unmaps it before
 * its trailer. The host maps it only if no process can write to it any more, and copies it
 * otherwise. So there is no SIGBUS, and no byte can change after it was checked. */
#ifndef FC_RESULT_REGION_H
#define FC_RESULT_REGION_H

#include <forkcall.h>

/* In the host: opens a region. A descriptor, or a negative errno: the result then travels in the
 * pipe. */
int fc_region_open(void);

/* Lets nobody, whatever descriptors he has, change the size of the file any more, nor forbid others
 * to write to it. False: the system cannot do it. */
bool fc_region_keep_size(int fd);

/* In the child: makes the region at least *capacity bytes large and maps it in place of an earlier
 * mapping, whose bytes it keeps. filled: how many bytes it holds. used: how many it will hold at
 * once; nobody knows how much of the rest will be used. fd -1: there is no region. Returns NULL if
 * it cannot; nothing has changed then. Sets *capacity. */
void *fc_region_grow(int fd, size_t *capacity, size_t filled, size_t used);

/* In the child: copies size bytes to the place at of the region, where no page exists yet: the
 * kernel makes the pages of what it copies, which takes half the time of zero pages and page
 * faults. False: the caller must copy, because pages exist there, or it would not be faster, or it
 * failed. */
bool fc_region_write(int fd, size_t at, const void *data, size_t size);

/* In the child, first. In that of a nested call it forgets the outer call's mapping, which still
 * belongs to the outer call. expected: what fc_region_expected has told the host. */
void fc_region_begin(size_t expected);

/* In the child: unmaps the region, so that the host can seal it. */
void fc_region_unmap(void);

/* In the host: how much memory the last result of this function took up, if it came in a region; 0:
 * nothing is known. Only a hint, which calls of many functions may lose. Thread-safe. */
size_t fc_region_expected(forkcall_fn *fn);
void fc_region_note(forkcall_fn *fn, size_t size);

/* In the host: replaces the content of buf by the size bytes of the region. fd stays open. 0;
 * -EPROTO: the region does not hold so many bytes; -ENOMEM. */
int fc_region_take(int fd, size_t size, struct forkcall_buf *buf);

#endif
