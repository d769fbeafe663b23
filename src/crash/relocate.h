/* HOST: What an address in a child means here, where that has the same modules at other addresses.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_TRANSLATION_H
#define FC_TRANSLATION_H

#include "module/ranges.h"

struct fc_translation;

/* From the child's own placements, which are not trusted and may lie anywhere in memory. NULL: no
 * memory. */
struct fc_translation *fc_translation_make(const void *placements, size_t count);

/* The same with a list of what lies here; only the first FC_PLACEMENTS_MAX of both lists count. */
struct fc_translation *fc_translation_between(const void *placements, size_t count, const struct fc_placement *ours,
                                              size_t our_count);
void fc_translation_free(struct fc_translation *translation);

/* Makes an address in a module of the child's the same address in that module here. False: in none
 * that is known here. */
bool fc_translate(const struct fc_translation *translation, uint64_t *address);

/* Does it lie in a module of this process? */
bool fc_translation_is_ours(const struct fc_translation *translation, uint64_t address);

#endif
