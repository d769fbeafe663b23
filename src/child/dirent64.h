/* CHILD: An entry of a directory as getdents64(2) gives it: opendir(3) would allocate memory. */
#ifndef FC_CHILD_DIRENT64_H
#define FC_CHILD_DIRENT64_H

#include <stdint.h>

struct fc_dirent64 {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

#endif
