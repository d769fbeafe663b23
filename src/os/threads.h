/* ANY: what the platform's file (threads.*.c) tells about this process now. */
#ifndef FC_OS_THREADS_H
#define FC_OS_THREADS_H

#include <stdbool.h>

bool fc_has_other_threads(void);      /* or has had, where what they left breaks in a fork */
bool fc_may_have_other_threads(void); /* cheaper: also true where threads have ended */
/* "other threads run in this process", as far as it is known. */
const char *fc_other_threads_in_words(void);
/* A fork child that has not exec'ed, where that is a hazard. */
bool fc_was_forked(void);

#endif
