/* HOST: Where the program has set load_early, spares load the module for which calls come, before
 * the next of them comes. Loading takes longer than all the rest of a call. A spare that has loaded
 * a module serves only calls for that module, so that a function never sees what another module's
 * constructors have done. */
#ifndef FC_SERVER_EARLY_MODULE_H
#define FC_SERVER_EARLY_MODULE_H

#include "call/call.h"
#include "module/lookup.h"
#include "server/launch.h"

/* Notes that the call, which has the server, is for that function (NULL: and takes no spare), and
 * tells the server which module spares are to load from now on, if that changes. Sets call->module
 * and call->drops_spares. Thread-safe. */
void fc_early_note(struct forkcall_call *call, const struct fc_module_function *function);

/* True: the call can use the spare that it has taken, which loads the module of that number (0:
 * none), and is ready. Waits a moment for that. May set call->drops_spares. Thread-safe. */
bool fc_early_fits(struct forkcall_call *call, uint32_t module);

#endif
