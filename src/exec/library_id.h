/* ANY: Identifies this build of the library. Two processes that exchange messages must be the same
 * build, because each reads the other's structs from memory (wire/request.h, wire/server_message.h,
 * wire/frame.h). A package upgrade replaces the library's file while a program runs, and a process
 * that the program starts afterwards loads the new file. */
#ifndef FC_EXEC_LIBRARY_ID_H
#define FC_EXEC_LIBRARY_ID_H

#include "module/lookup.h"

#include <stdint.h>

/* A number that differs for another build of the library, and for another program if the library is
 * linked into it. Never 0. The first call takes the loader's lock, later calls take no lock.
 * Thread-safe; not async-signal-safe. */
uint64_t fc_library_id(void);

/* ---- What exec/library_id.c needs of a platform (library_id.*.c) ----------------------------- */

/* The identity of the module that holds this code: what the linker gave it, else a hash of its
 * content, else its layout. False: none can be found. */
bool fc_library_module_id(struct fc_module_id *id);

#endif
