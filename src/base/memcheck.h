/* CHILD: Tells valgrind that the stack which a crashed child sends is no mistake. Does nothing if
 * the library was built without valgrind's headers. */
#ifndef FC_BASE_MEMCHECK_H
#define FC_BASE_MEMCHECK_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __has_include
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif

static inline bool fc_runs_on_valgrind(void)
{
#ifdef VALGRIND_MAKE_MEM_DEFINED
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/* How many errors valgrind has found in this process, and in those that it is a fork of. */
static inline unsigned fc_memcheck_errors(void)
{
#ifdef VALGRIND_COUNT_ERRORS
    return (unsigned)VALGRIND_COUNT_ERRORS;
#else
    return 0;
#endif
}

static inline void fc_memcheck_define(const void *data, size_t size)
{
#ifdef VALGRIND_MAKE_MEM_DEFINED
    (void)VALGRIND_MAKE_MEM_DEFINED(data, size);
#else
    (void)data;
    (void)size;
#endif
}

#endif
