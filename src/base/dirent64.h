/* ANY: An entry of a directory as getdents64(2) gives it: opendir(3) allocates memory. */
#ifndef FC_BASE_DIRENT64_H
#define FC_BASE_DIRENT64_H

#include <stdint.h>

struct fc_dirent64 {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

#endif
