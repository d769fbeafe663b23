/* ANY: Whether a module was loaded since this process, or the one that has forked it, last looked.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FC_MODULE_NEWEST_H
#define FC_MODULE_NEWEST_H

#include <stdbool.h>

/* Notes the module that the loader has added last. Runs by itself when the library is loaded. Takes
 * the loader's lock. Thread-safe; not async-signal-safe. */
void fc_newest_module_note(void);

/* False: it is still the last one. True: it is not, or the loader does not tell. Modules in
 * namespaces of dlmopen(3) do not count. Async-signal-safe. */
bool fc_newest_module_changed(void);

#endif
