/* Helpers for preloaded modules (ld.so(8), LD_PRELOAD) that make functions of the C library behave
 * as those of macOS. */
#ifndef PRELOAD_H
#define PRELOAD_H

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* The address of the function that the module replaces. 0: not looked up yet. */
typedef _Atomic(uintptr_t) next_address;

/* Looks the function up. Aborts if there is none. */
static inline uintptr_t next_find(next_address *next, const char *name)
{
    if (atomic_load(next) == 0)
        atomic_store(next, (uintptr_t)dlsym(RTLD_NEXT, name));
    if (atomic_load(next) == 0)
        abort();
    return atomic_load(next);
}

/* NEXT(mmap)(arguments) calls the mmap that would be called without the module. It needs a
 * variable next_address next_mmap. A module looks its functions up in a constructor, because
 * dlsym(3) may hang in a child of a threaded process. */
#define NEXT(function) ((__typeof__(&(function)))next_find(&next_##function, #function))

#endif
