/* The exit status of a test program, a helper program or a body of host_run() that cannot test its
 * subject on this system: a permission is missing, or the kernel is too old. Meson counts such a
 * program as skipped. */
#ifndef NOT_HERE_H
#define NOT_HERE_H

#define NOT_HERE 77

#endif
