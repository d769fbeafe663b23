/* HOST: The program and the shared libraries of this process: what lies at an address.
 *
 * Addresses may come from anywhere: no memory is read but the images' own. Not async-signal-safe:
 * the loader's lock is taken. Thread-safe.
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
    char path[FC_MODULE_AT_PATH_MAX]; /* printable; cut where it is longer */
};

/* Which image address lies in. False: none. */
bool fc_address_find_module(uint64_t address, struct fc_module_at *module);

/* Whether address lies in code of an image. */
bool fc_address_is_code(uint64_t address);

/* Whether a call can have left address on the stack: code, and, on x86, preceded by a call
 * instruction. */
bool fc_address_is_return_address(uint64_t address);

/* Whether dladdr(3) may be asked about address: it reads the tables of the image that holds it, be
 * they readable or not. */
bool fc_address_can_be_asked(uint64_t address);

/* Where the function that holds address starts. 0: not known. */
uint64_t fc_address_function_start(uint64_t address);

#endif
