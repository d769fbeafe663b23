/* ANY: The file that is mapped at an address, told by the kernel: whatever name it was opened by,
 * and from which directory. */
#ifndef FC_MODULE_PROC_MAPS_H
#define FC_MODULE_PROC_MAPS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#ifdef PATH_MAX
#define FC_MAPPING_PATH_MAX PATH_MAX
#else
#define FC_MAPPING_PATH_MAX 4096
#endif

struct fc_mapping {
    /* File systems of several layers may give another one to stat(). */
    uint64_t device;
    uint64_t inode; /* never 0 */
    /* Where the file was, if it was deleted or another has taken its place. */
    char path[FC_MAPPING_PATH_MAX];
};

/* The same for an address of many. */
struct fc_mapped {
    uint64_t address;
    uint64_t device, inode; /* inode 0: no file is mapped there, or this system does not tell */
};

/* 0; -ENOENT: no file is mapped there, or this system does not tell; -ENAMETOOLONG. Opens a
 * descriptor for a moment. */
int fc_mapping_find(uint64_t address, struct fc_mapping *mapping);

/* Fills in device and inode of count addresses in one go. Opens a descriptor for a moment. */
void fc_mapping_list(struct fc_mapped *mapped, size_t count);

#endif
