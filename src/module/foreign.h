/* HOST: Modules that a child has loaded, and this process has not: their names, and a place in the
 * addresses of this process for each, so that an address in a report tells which module it is in.
 *
 * A child tells of them, which may mean harm. A file is read only if no child of this process can
 * have written it, and only if neither finding nor reading it can take for ever (foreign_file.h).
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_MODULE_FOREIGN_H
#define FC_MODULE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FC_MAPPED_FILE_PATH_MAX 464

/* Code of a file that a child has mapped. Fixed-width and without padding, because a child sends it
 * to its host as bytes. */
struct fc_mapped_file {
    uint64_t start, end; /* of the code */
    uint64_t base;       /* where the start of the file is mapped; at or below start */
    uint64_t offset;     /* of the code in the file */
    uint64_t device, inode;
    char path[FC_MAPPED_FILE_PATH_MAX];
};

/* The most files that a child tells of. */
#define FC_MAPPED_FILES_MAX 16U

/* Remembers a module. Returns where the start of its file lies in this process's addresses, or 0:
 * there is no room, or what the child says cannot be. Nothing else can be mapped there, and the
 * memory cannot be read. A process remembers FC_FOREIGN_TRUE_MAX files that may be believed
 * (foreign_file.h), each once, and beside them FC_FOREIGN_OTHERS_MAX modules that children have
 * told of; both kinds get 256 MiB (32 MiB in a program of 32 bits). So nothing that a child makes
 * up keeps a true file from its place. Where all is taken, the modules that were remembered first
 * are forgotten, and their addresses become those of others. Opens a descriptor for a moment. This
 * function and the others are thread-safe, and called without the lock of descriptors
 * (base/descriptors.h). */
uint64_t fc_foreign_place(const struct fc_mapped_file *file);

#define FC_FOREIGN_TRUE_MAX 256U
#define FC_FOREIGN_OTHERS_MAX 32U
#define FC_FOREIGN_MAX (FC_FOREIGN_TRUE_MAX + FC_FOREIGN_OTHERS_MAX)

struct fc_foreign {
    uint64_t here, size;        /* its place in this process's addresses; size 0: none */
    size_t number;              /* of all places in the order in which they were given; from 1 */
    struct fc_mapped_file file; /* path has a terminating 0 */
};

/* Copies the module of a number below FC_FOREIGN_MAX. False: it has none. */
bool fc_foreign_get(size_t i, struct fc_foreign *module);

/* How many places have been given. */
size_t fc_foreign_count(void);

/* Copies the module that holds the address. False: none does. */
bool fc_foreign_find(uint64_t address, struct fc_foreign *module);

/* True: the address lies in the code of such a module. */
bool fc_foreign_is_code(uint64_t address);

/* True: the address lies in such a module, which got its place when that many places had been given
 * already. An address that was noted then meant something else. */
bool fc_foreign_is_later(uint64_t address, uint64_t count);

#endif
