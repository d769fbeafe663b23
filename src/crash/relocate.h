/* HOST: Relocation: what an address in a child means in this process, which has the same modules at
 * other addresses.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_RELOCATE_H
#define FC_CRASH_RELOCATE_H

#include "module/ranges.h"

struct fc_relocation;

/* Makes a relocation from the ranges that the child has sent, which are not trusted and may lie
 * anywhere in memory. NULL: no memory. */
struct fc_relocation *fc_relocation_make(const void *ranges, size_t count);

/* The same with a list of this process's ranges. Only the first FC_MODULE_RANGES_MAX of each list
 * count. */
struct fc_relocation *fc_relocation_between(const void *ranges, size_t count, const struct fc_module_range *ours,
                                            size_t our_count);
void fc_relocation_free(struct fc_relocation *relocation);

/* Replaces an address in a module of the child by the same address in that module here. False: no
 * known module holds it. */
bool fc_relocate(const struct fc_relocation *relocation, uint64_t *address);

/* True: the address lies in a module of this process. */
bool fc_relocation_is_ours(const struct fc_relocation *relocation, uint64_t address);

#endif
