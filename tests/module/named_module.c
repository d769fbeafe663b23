/* A module whose function is found by name. Builds with another ANSWER have the same layout, and
 * their function returns another number. */
#include "named_module.h"

static int static_answer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return ANSWER;
}

#if defined(RELOCATED) && defined(__x86_64__)
/* The loader writes an address into the code of this function. */
const void *answer_relocated(void)
{
    const void *address;
    __asm__("movabsq $answer_relocated, %0" : "=r"(address));
    return address;
}
#elif defined(RELOCATED) && defined(__i386__)
const void *answer_relocated(void)
{
    const void *address;
    __asm__("movl $answer_relocated, %0" : "=r"(address));
    return address;
}
#elif defined(RELOCATED)
#error "how to write it is not known for this processor"
#endif

#ifdef INCOMPLETE
void answer_that_is_nowhere(void);

void answer_incompletely(void)
{
    answer_that_is_nowhere();
}
#endif

forkcall_fn *ANSWER_FUNCTION(void)
{
    return static_answer;
}
