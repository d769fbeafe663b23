/* forkcall_init, and what it makes possible. */
#ifndef FC_INIT_H
#define FC_INIT_H

#include "call.h"
#include "module.h"

/* How long a copy may take to come to forkcall_init. */
#define FC_READY_NS 30000000000U

/* Copies of this program know what they are. */
bool fc_init_was_called(void);

/* This process is such a copy, or was forked from one. */
bool fc_init_is_in_copy(void);

/* It was called; else the call is ended. */
bool fc_init_allows(struct forkcall_call *call);

/* The name of the call's function; false: it has none, and the call is ended. */
bool fc_init_names(struct forkcall_call *call, struct fc_module_function *name);

#endif
