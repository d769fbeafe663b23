/* ANY: Whether this process has other threads, or was forked. */
#ifndef FC_OS_THREADS_H
#define FC_OS_THREADS_H

#include <stdbool.h>
#include <stddef.h>

/* Also true if it has had threads and what they left breaks in a fork. The kernel counts a thread
 * that was joined for a moment longer. */
bool fc_has_other_threads(void);
/* False also if the others are only ending, which takes some more system calls to know. */
bool fc_other_threads_go_on(void);
bool fc_may_have_other_threads(void); /* cheaper; also true if threads have ended */
/* Linux: Lists the other threads of this process, as many as there is room for. Returns how many
 * there are; -1: no list is to be had. Asks for no memory of the heap, whose lock a thread that
 * forks may hold. */
long fc_thread_list(long *ids, size_t room);
/* "other threads run in this process", as far as that is known. Static. */
const char *fc_other_threads_in_words(void);
/* True: this process was forked, has not exec'ed, and that makes another fork unsafe. */
bool fc_was_forked(void);

#endif
