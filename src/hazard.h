/* What makes a plain fork unsafe. */
#ifndef FC_HAZARD_H
#define FC_HAZARD_H

#include <stdbool.h>

/* FORKCALL_HAZARD_LIBRARY or 0, for the report of a call, which must not wait for the loader's lock. */
unsigned fc_hazard_of_libraries(void);

/* Those bits of forkcall_hazards that a call may be refused for. */
unsigned fc_hazards_to_refuse(void);

/* What the platform's files (threads.*.c, libraries.*.c) tell about this process now. */
bool fc_has_other_threads(void);             /* or has had, where what they leave behind breaks in a fork */
bool fc_may_have_other_threads(void);        /* cheaper: also true where threads have ended */
const char *fc_other_threads_in_words(void); /* "other threads run in this process", as far as it is known */
bool fc_is_forked_copy(void);                /* a fork child that has not exec'ed, where that is a hazard */
/* waits: it may wait for the loader's lock. Else it does not where that is possible. */
bool fc_has_hostile_library(bool waits);

#endif
