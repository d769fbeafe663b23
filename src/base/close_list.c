/* SERVER, CHILD: Closes descriptors whose numbers follow each other by close_range(2). A server
 * opens the ends of a channel one after the other, so that they mostly do. */
#include "base/close_list.h"

#include "config.h"

#include <stdbool.h>
#include <unistd.h>
#ifdef HAVE_RAW_SYSCALLS
#include <sys/syscall.h>
#endif

static void sort(int *fds, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const int fd = fds[i];
        size_t at = i;
        for (; at > 0 && fds[at - 1] > fd; at--)
            fds[at] = fds[at - 1];
        fds[at] = fd;
    }
}

/* False: the system cannot do it. By the system call itself: a forked child has that page of the
 * C library already. */
static bool close_range_of(int first, int last)
{
#if defined HAVE_RAW_SYSCALLS && defined SYS_close_range
    return first < last && syscall(SYS_close_range, (unsigned)first, (unsigned)last, 0U) == 0;
#else
    (void)first;
    (void)last;
    return false;
#endif
}

void fc_close_list(int *fds, size_t count)
{
    sort(fds, count);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && fds[i] >= 0 && fds[end] == fds[end - 1] + 1)
            end++;
        if (fds[i] >= 0 && !close_range_of(fds[i], fds[end - 1]))
            for (size_t j = i; j < end; j++)
                close(fds[j]);
        i = end;
    }
}
