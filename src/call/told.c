/* HOST: Keeps the notices of the threads of a child in one buffer. */
#include "call/told.h"

#include <string.h>

/* Stands before each notice. */
struct head {
    uint64_t size;
    uint64_t unused;
};
_Static_assert(sizeof(struct head) == FC_TOLD_ALIGN, "no padding");

static size_t aligned(size_t size)
{
    return (size + FC_TOLD_ALIGN - 1) / FC_TOLD_ALIGN * FC_TOLD_ALIGN;
}

void *fc_told_room(struct forkcall_buf *all, uint64_t size)
{
    const struct head head = {.size = size};
    if (size > FC_CRASH_NOTICE_MAX)
        return NULL;
    unsigned char *to = forkcall_buf_extend(all, sizeof head + aligned((size_t)size));
    if (to == NULL)
        return NULL;
    memcpy(to, &head, sizeof head);
    return to + sizeof head;
}

bool fc_told_next(const struct forkcall_buf *all, size_t *at, struct fc_told *told)
{
    struct head head;
    if (*at > all->size || all->size - *at < sizeof head)
        return false;
    unsigned char *found = (unsigned char *)all->data + *at;
    memcpy(&head, found, sizeof head);
    if (head.size < sizeof(struct fc_crash_notice) || head.size > all->size - *at - sizeof head)
        return false;
    *told = (struct fc_told){.notice = found + sizeof head, .size = (size_t)head.size};
    *at += sizeof head + aligned(told->size);
    return true;
}
