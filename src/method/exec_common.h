/* HOST: what SERVER and SPAWN need besides: forkcall_init, and a function that another process can
 * find. */
#ifndef FC_METHOD_EXEC_COMMON_H
#define FC_METHOD_EXEC_COMMON_H

#include "call/call.h"
#include "module/lookup.h"

/* forkcall_init was called; else the call is ended. */
bool fc_exec_is_allowed(struct forkcall_call *call);

/* The name of the call's function; false: it has none, and the call is ended. */
bool fc_exec_name_function(struct forkcall_call *call, struct fc_module_function *name);

#endif
