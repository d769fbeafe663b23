/* CHILD: The files whose code a crashed child was in. */
#ifndef FC_CHILD_MAPPED_FILES_H
#define FC_CHILD_MAPPED_FILES_H

#include "wire/crash_notice.h"

/* Lists the files whose code the program counter, or a word of the stack of that size, lies in. The
 * kernel's list is used, because the loader's cannot be read in a signal handler. Lists nothing if
 * no module was loaded since the host has noted the newest (module/newest.h). Puts them into
 * fc_mapped_files and returns how many, at most FC_MAPPED_FILES_MAX. Async-signal-safe. */
size_t fc_mapped_files_list(const struct fc_crash_notice *notice, size_t stack_size);

#endif
