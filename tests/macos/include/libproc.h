/* What the library takes of macOS's <libproc.h>; the test gives the function. */
#ifndef SHIM_LIBPROC_H
#define SHIM_LIBPROC_H

#include <stdint.h>

#define PROC_PIDLISTFDS 1

struct proc_fdinfo {
    int32_t proc_fd;
    uint32_t proc_fdtype;
};

/* Without a buffer: how many bytes may be needed. Else how many were filled; 0 and errno: an
 * error. */
int proc_pidinfo(int pid, int flavor, uint64_t arg, void *buffer, int size);

#endif
