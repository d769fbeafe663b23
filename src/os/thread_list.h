/* ANY: The other threads of this process, and those of a child, where the system lists them. */
#ifndef FC_OS_THREAD_LIST_H
#define FC_OS_THREAD_LIST_H

#include <stddef.h>

/* Lists the other threads of this process, as many as there is room for. Returns how many there
 * are, or room + 1 if there are more than that; -1: no list is to be had. Asks for no memory of the
 * heap, whose lock a thread that forks may hold. */
long fc_thread_list(long *ids, size_t room);

/* The same for another process, without the thread `without`. */
long fc_thread_list_of(long pid, long without, long *ids, size_t room);

#endif
