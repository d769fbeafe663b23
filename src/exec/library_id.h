/* ANY: What this build of the library is known by. Two processes that speak with each other are the
 * same build: each reads the memory layout of the other's messages (wire/request.h,
 * wire/server_message.h, wire/frame.h). A package upgrade replaces the library's file while a
 * program runs, and a process that the program starts then loads the new file. */
#ifndef FC_EXEC_LIBRARY_ID_H
#define FC_EXEC_LIBRARY_ID_H

#include "module/lookup.h"

#include <stdint.h>

/* Another number for another build of the library, and for another program where the library is
 * linked into it. Never
 * 0. The first call takes the loader's lock, later ones take none. Thread-safe; not
 * async-signal-safe. */
uint64_t fc_library_id(void);

/* ---- What exec/library_id.c needs of a platform (library_id.*.c) ----------------------------- */

/* What the linker gave the module that this code lies in, a hash of its content, or at least its
 * layout. False: nothing is to be had. */
bool fc_library_module_id(struct fc_module_id *id);

#endif
