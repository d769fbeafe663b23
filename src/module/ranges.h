/* ANY: Where the modules of a process lie: what another process of the same program needs to tell
 * what an address in it means.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_MODULE_RANGES_H
#define FC_MODULE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Programs with a desktop's libraries have hundreds of modules, each of up to four parts. */
#define FC_MODULE_RANGES_MAX 2048U

/* A part of a module without a hole. Fixed-width, without padding: it travels from a child to its
 * caller as bytes. */
struct fc_module_range {
    uint64_t start, size; /* of code and data; only of code, where the data lies elsewhere */
    /* Of its place in the file and of its build, or, where the build has no mark, of its layout and
     * name: the same in all processes. */
    uint64_t key;
    /* Of where it was loaded from: several copies of one file have the same key. 0: the program. */
    uint64_t path;
};

/* In normal context: takes the loader's lock. Returns how many: those that were loaded first. */
size_t fc_module_ranges_list(struct fc_module_range *ranges, size_t max);

#endif
