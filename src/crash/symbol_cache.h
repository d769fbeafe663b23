/* HOST: Remembers what separate debug information has told: unpacking that of a C library takes
 * 50 ms, and the same few places of it stand in most crashes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_SYMBOL_CACHE_H
#define FC_CRASH_SYMBOL_CACHE_H

#include "crash/symbol.h"

/* How many places are remembered. */
#define FC_SYMBOL_CACHE_MAX 64U

/* A place: a hash of the build-id of a module, which tells its contents, and an offset in it. */
struct fc_symbol_place {
    uint64_t build, offset;
};

/* Finds the functions at a place, as fc_symbols_find does; start is relative to the module. 0: it
 * is not remembered. Both are called by one thread at a time (crash/libdw.h). */
size_t fc_symbol_cache_find(struct fc_symbol_place place, struct fc_symbol found[FC_SYMBOLS_AT_MAX]);

/* Remembers them, and forgets the place that was remembered first, if there are many. */
void fc_symbol_cache_add(struct fc_symbol_place place, const struct fc_symbol *found, size_t count);

#endif
