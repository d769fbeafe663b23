#ifndef NAMED_MODULE_H
#define NAMED_MODULE_H

#include <forkcall.h>

#ifndef ANSWER_FUNCTION
#define ANSWER_FUNCTION answer_function
#endif

/* A function of the module's that has no name outside. */
forkcall_fn *ANSWER_FUNCTION(void);

/* Of the library that the test program needs. */
forkcall_fn *needed_answer_function(void);

#ifdef INCOMPLETE
void answer_incompletely(void);
#endif

#ifdef RELOCATED
const void *answer_relocated(void);
#endif

#endif
