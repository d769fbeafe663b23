/* HOST: What an address in a child means in this process.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_CHILD_ADDRESS_H
#define FC_CRASH_CHILD_ADDRESS_H

#include "crash/relocate.h"
#include "module/foreign.h"

/* Code of a foreign module. */
struct fc_foreign_code {
    uint64_t start, size; /* in the child */
    uint64_t here;
};

/* How the addresses of a child become those of this process. */
struct fc_child_addresses {
    /* Of the modules that both have; NULL: they lie at the same addresses. */
    struct fc_relocation *relocation;
    struct fc_foreign_code code[FC_MAPPED_FILES_MAX];
    size_t code_count;
};

/* Prepares for the addresses of a child that tells of count files that it has mapped. These are not
 * trusted and may lie anywhere in memory. Those that this process has loaded, too, are left out. */
void fc_child_addresses_init(struct fc_child_addresses *addresses, struct fc_relocation *relocation, const void *files,
                             size_t count);

/* True: the addresses of code in the child differ from those here. */
bool fc_child_addresses_differ(const struct fc_child_addresses *addresses);

/* Replaces an address in a module of the child by the same address here. False: no known module
 * holds it. */
bool fc_child_address_find(const struct fc_child_addresses *addresses, uint64_t *address);

/* The same for an address of code. An address outside every known module must not be taken for code
 * of this process, so it becomes 0 if it lies in a module here. */
uint64_t fc_child_address_of_code(const struct fc_child_addresses *addresses, uint64_t address);

#endif
