/* ANY: The file that is mapped at an address, as the kernel tells it: whatever name the file was
 * opened by, and from whichever directory. */
#ifndef FC_MODULE_PROC_MAPS_H
#define FC_MODULE_PROC_MAPS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef PATH_MAX
#define FC_MAPPING_PATH_MAX PATH_MAX
#else
#define FC_MAPPING_PATH_MAX 4096
#endif

struct fc_mapping {
    /* stat(2) may tell another device on file systems with several layers. */
    uint64_t device;
    uint64_t inode; /* never 0 */
    /* Where the file was, if it was deleted or another has taken its place. */
    char path[FC_MAPPING_PATH_MAX];
};

/* The same for one of several addresses. */
struct fc_mapped {
    uint64_t address;
    uint64_t device, inode; /* inode 0: no file is mapped there, or the system does not tell */
};

/* Finds the file that is mapped at the address. Thread-safe; opens descriptors for a moment, with
 * the lock of descriptors (base/descriptors.h). 0; -ENOENT: no file is mapped there, or the system
 * does not tell; -ENAMETOOLONG. */
int fc_mapping_find(uint64_t address, struct fc_mapping *mapping);

/* Fills in device and inode for count addresses at once. Thread-safe, as fc_mapping_find. */
void fc_mapping_list(struct fc_mapped *mapped, size_t count);

/* A line of the list of the process's mappings. */
struct fc_maps_line {
    uint64_t start, end;
    uint64_t offset; /* in the file */
    uint64_t device, inode;
    bool is_code;
    const char *path; /* "" or "[heap]" where inode is 0 */
};

struct fc_maps_visitor {
    bool (*visit)(const struct fc_maps_line *line, void *arg);
    void *arg;
};

/* Calls visit for each mapping of this process, by rising address, until it returns false. A line
 * that is longer than the buffer is left out. False: the system has no list. Opens a descriptor for
 * a moment. Async-signal-safe if visit is. */
bool fc_maps_read(char *buffer, size_t size, struct fc_maps_visitor visitor);

#endif
