/* The parts of macOS's <sys/sysctl.h> and <pthread.h> that the library uses and Linux lacks. The
 * test defines the functions. */
#ifndef SHIM_SYSCTL_H
#define SHIM_SYSCTL_H

#include <stddef.h>

#define CTL_KERN 1
#define KERN_PROC 14
#define KERN_PROC_PID 1

struct extern_proc {
    unsigned short p_acflag;
};
struct kinfo_proc {
    struct extern_proc kp_proc;
};

int sysctl(int *name, unsigned name_size, void *old, size_t *old_size, void *new, size_t new_size);
int pthread_is_threaded_np(void);

#endif
