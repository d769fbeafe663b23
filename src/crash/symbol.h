/* HOST: Describes what lies at an address of this process.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_CRASH_SYMBOL_H
#define FC_CRASH_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Describes an address: "parse_image+0x1c (in /usr/lib/x.so)"; with debug information
 * "parse_image+0x1c at img.c:42"; without a known name "x.so+0x1234" (as addr2line takes it);
 * outside of all modules "0x1234". For a return address the calling function is described. Returns
 * and writes as snprintf. Thread-safe; not async-signal-safe. */
int fc_symbol_describe(uint64_t address, bool is_return_address, char *text, size_t size);

/* The name of the function that starts at the address, for a sentence: "parse_image", or "function
 * at x.so+0x1234". */
void fc_symbol_function_name(uint64_t address, char *text, size_t size);

struct fc_symbol {
    uint64_t start;
    int line; /* 0: not known */
    char name[256];
    char file[128];
};

/* Finds the symbol that covers the address. With the feature libdw among all functions, else among
 * the exported ones. */
bool fc_symbol_find(uint64_t address, struct fc_symbol *symbol);

/* The same by the dynamic symbol tables alone. */
bool fc_symbol_find_exported(uint64_t address, struct fc_symbol *symbol);

#endif
