/* HOST: What SERVER and SPAWN both need: that forkcall_init() was called, and a function that
 * another process can find. */
#ifndef FC_METHOD_EXEC_COMMON_H
#define FC_METHOD_EXEC_COMMON_H

#include "call/call.h"
#include "module/lookup.h"

/* True: forkcall_init() was called. False: it was not, and the call is ended. */
bool fc_exec_is_allowed(struct forkcall_call *call);

/* Fills in the name of the call's function. False: it has none, and the call is ended. */
bool fc_exec_name_function(struct forkcall_call *call, struct fc_module_function *name);

#endif
