/* HOST: Remembers what separate debug information has told.
 *
 * SPDX-License-Identifier: MIT */
#include "crash/symbol_cache.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct fc_symbol_place place;
    size_t count;
    struct fc_symbol symbols[];
};

static struct entry *entries[FC_SYMBOL_CACHE_MAX];
static unsigned next;

size_t fc_symbol_cache_find(struct fc_symbol_place place, struct fc_symbol found[FC_SYMBOLS_AT_MAX])
{
    for (unsigned i = 0; i < FC_SYMBOL_CACHE_MAX && entries[i] != NULL; i++) {
        const struct entry *entry = entries[i];
        if (entry->place.build != place.build || entry->place.offset != place.offset)
            continue;
        memcpy(found, entry->symbols, entry->count * sizeof entry->symbols[0]);
        return entry->count;
    }
    return 0;
}

void fc_symbol_cache_add(struct fc_symbol_place place, const struct fc_symbol *found, size_t count)
{
    struct entry *entry = malloc(sizeof *entry + count * sizeof entry->symbols[0]);
    if (entry == NULL)
        return;
    entry->place = place;
    entry->count = count;
    memcpy(entry->symbols, found, count * sizeof entry->symbols[0]);
    free(entries[next]);
    entries[next] = entry;
    next = (next + 1) % FC_SYMBOL_CACHE_MAX;
}
