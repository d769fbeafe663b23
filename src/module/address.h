/* HOST: The module that an address of this process lies in: the program or a shared library.
 *
 * Addresses may have any value: no memory is read but the modules' own. Takes the loader's lock, so
 * the functions are not async-signal-safe. Thread-safe.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_MODULE_ADDRESS_H
#define FC_MODULE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#define FC_MODULE_AT_PATH_MAX 512

struct fc_module_at {
    /* Address - bias is the address inside the file, as addr2line takes it. */
    uint64_t bias;
    char path[FC_MODULE_AT_PATH_MAX]; /* printable; cut if it is longer */
};

/* Finds the module that holds the address: one of this process, or a foreign one. False: there is
 * none. */
bool fc_address_find_module(uint64_t address, struct fc_module_at *module);

/* True: the address lies in the code of a module. */
bool fc_address_is_code(uint64_t address);

/* True: a call can have left this address on the stack: it lies in code and, on x86, behind a call
 * instruction. */
bool fc_address_is_return_address(uint64_t address);

/* True: dladdr(3) may be called with this address. It reads the tables of the module that holds the
 * address without checking whether they can be read. */
bool fc_address_can_be_asked(uint64_t address);

/* The start of the function that holds the address; 0: not known. */
uint64_t fc_address_function_start(uint64_t address);

/* What the table of a module names for the last function that starts at or below an address. */
struct fc_table_entry {
    const unsigned char *description; /* its record in .eh_frame */
    const unsigned char *start, *end; /* the segment that holds all records; it may be unreadable */
};

/* Calls visit, while the module cannot be unloaded, with the entry for the address. False: there is
 * none. */
bool fc_address_visit_table(uint64_t address, void (*visit)(const struct fc_table_entry *entry, void *out), void *out);

#endif
