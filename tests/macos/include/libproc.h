/* The part of macOS's <libproc.h> that the library uses. The test defines the function. */
#ifndef SHIM_LIBPROC_H
#define SHIM_LIBPROC_H

#include <stdint.h>

#define PROC_PIDLISTFDS 1

struct proc_fdinfo {
    int32_t proc_fd;
    uint32_t proc_fdtype;
};

/* Without a buffer: returns how many bytes may be needed. With a buffer: returns how many bytes
 * were filled. 0 and errno: an error. */
int proc_pidinfo(int pid, int flavor, uint64_t arg, void *buffer, int size);

#endif
