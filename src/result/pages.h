/* ANY: Mappings that are good for huge pages, and pages that are made before they are touched. */
#ifndef FC_RESULT_PAGES_H
#define FC_RESULT_PAGES_H

#include <stddef.h>

#define FC_HUGE_PAGE ((size_t)2 << 20)
/* From this size on a huge page is made faster than the small pages in its place (tests/bench). */
#define FC_HUGE_MIN ((size_t)384 << 10)

/* As mmap(2), at an address that is good for huge pages; NULL: it failed. */
void *fc_pages_map(size_t size, int protection, int flags, int fd);

/* Replaces the pages of shared memory by huge ones, from and to being offsets in data, which was
 * mapped by fc_pages_map. Has no effect where there are no huge pages. */
void fc_pages_make_huge(void *data, size_t from, size_t to);

/* Maps the pages, and makes those that do not exist, for writing. Has no effect where the system
 * cannot do it: they are then made one by one when they are touched. */
void fc_pages_touch(void *data, size_t from, size_t to);

#endif
