/* HOST: What an address in a child means here, where that has the same modules at other addresses.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_RELOCATE_H
#define FC_CRASH_RELOCATE_H

#include "module/ranges.h"

struct fc_relocation;

/* From the child's own ranges, which are not trusted and may lie anywhere in memory. NULL: no
 * memory. */
struct fc_relocation *fc_relocation_make(const void *ranges, size_t count);

/* The same with a list of what lies here; only the first FC_MODULE_RANGES_MAX of both lists
 * count. */
struct fc_relocation *fc_relocation_between(const void *ranges, size_t count, const struct fc_module_range *ours,
                                            size_t our_count);
void fc_relocation_free(struct fc_relocation *relocation);

/* Makes an address in a module of the child's the same address in that module here. False: in none
 * that is known here. */
bool fc_relocate(const struct fc_relocation *relocation, uint64_t *address);

/* Does it lie in a module of this process? */
bool fc_relocation_is_ours(const struct fc_relocation *relocation, uint64_t address);

#endif
