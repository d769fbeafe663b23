/* For modules that are preloaded (ld.so(8), LD_PRELOAD), so that functions of the C library act as
 * those of macOS. */
#ifndef PRELOAD_H
#define PRELOAD_H

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* Where a function lies that the module stands in front of; 0: not looked up yet. */
typedef _Atomic(uintptr_t) next_address;

/* Aborts where there is no such function. */
static inline uintptr_t next_find(next_address *next, const char *name)
{
    if (atomic_load(next) == 0)
        atomic_store(next, (uintptr_t)dlsym(RTLD_NEXT, name));
    if (atomic_load(next) == 0)
        abort();
    return atomic_load(next);
}

/* NEXT(mmap)(arguments) calls the mmap that would be called without the module; needs a
 * next_address next_mmap. A module has a constructor that looks its functions up, because dlsym(3)
 * may hang in a child of a threaded process. */
#define NEXT(function) ((__typeof__(&(function)))next_find(&next_##function, #function))

#endif
