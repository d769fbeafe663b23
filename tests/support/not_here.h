/* What a test program, a helper program or a body of host_run ends with where its subject cannot be
 * had or done here: no permission, an older kernel. Meson counts a program that ends so as
 * skipped. */
#ifndef NOT_HERE_H
#define NOT_HERE_H

#define NOT_HERE 77

#endif
