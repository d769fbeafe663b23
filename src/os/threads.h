/* ANY: Whether this process has other threads, or was forked. */
#ifndef FC_OS_THREADS_H
#define FC_OS_THREADS_H

#include <stdbool.h>

/* Also true if it has had threads and what they left breaks in a fork. The kernel counts a thread
 * that was joined for a moment longer. */
bool fc_has_other_threads(void);
/* False also if the others are only ending, which takes some more system calls to know. */
bool fc_other_threads_go_on(void);
bool fc_may_have_other_threads(void); /* cheaper; also true if threads have ended */
/* "other threads run in this process", as far as that is known. Static. */
const char *fc_other_threads_in_words(void);
/* True: this process was forked, has not exec'ed, and that makes another fork unsafe. */
bool fc_was_forked(void);

#endif
