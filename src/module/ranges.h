/* ANY: Where the modules of a process lie. Another process of the same program needs this to find
 * out what an address means.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_MODULE_RANGES_H
#define FC_MODULE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Programs with a desktop's libraries have hundreds of modules, each with up to four parts. */
#define FC_MODULE_RANGES_MAX 2048U

/* A part of a module without a hole. Fixed-width and without padding, because a child sends it to
 * its host as bytes. */
struct fc_module_range {
    uint64_t start, size; /* of code and data; only of code if the data lies elsewhere */
    /* A hash of the part's place in the file and of the module's build; or of the module's layout
     * and name if the build has no id. The same in all processes. */
    uint64_t key;
    /* A hash of the path that the module was loaded from: several files of one build have the same
     * key. 0: the program. */
    uint64_t path;
};

/* Lists the ranges of the modules in the order of loading, at most max, and returns their number.
 * Takes the loader's lock; not async-signal-safe. */
size_t fc_module_ranges_list(struct fc_module_range *ranges, size_t max);

#endif
