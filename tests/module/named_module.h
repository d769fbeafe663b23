/* The functions of the module in named_module.c. */
#ifndef NAMED_MODULE_H
#define NAMED_MODULE_H

#include <forkcall.h>

#ifndef ANSWER_FUNCTION
#define ANSWER_FUNCTION answer_function
#endif

/* Returns a static function, which has no exported name. */
forkcall_fn *ANSWER_FUNCTION(void);

/* The same, from the library that the test program is linked with. */
forkcall_fn *needed_answer_function(void);

#ifdef INCOMPLETE
void answer_incompletely(void);
#endif

#ifdef RELOCATED
const void *answer_relocated(void);
#endif

#endif
