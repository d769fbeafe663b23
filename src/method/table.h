/* HOST: The start methods: one row of operations each. */
#ifndef FC_METHOD_TABLE_H
#define FC_METHOD_TABLE_H

#include "call/call.h"

struct fc_method {
    /* Fills what the platform may have to say about this moment into the report and returns true
     * where the call must be refused. */
    bool (*refuses)(struct forkcall_call *call);
    /* Brings call->process into being, with the caller's ends of its channel in call->fds, or ends
     * the call. */
    void (*start)(struct forkcall_call *call);
    /* The child had the caller's modules, at the same addresses. */
    bool shares_addresses;
};

extern const struct fc_method fc_method_fork, fc_method_server, fc_method_spawn, fc_method_inline;

/* The row of a method that is not AUTO; NULL: not in this version. */
const struct fc_method *fc_method_of(enum forkcall_method method);

/* What AUTO means here, for arguments that are handed over by pointer or not; other methods mean
 * themselves. */
enum forkcall_method fc_method_choose(enum forkcall_method wanted, bool by_pointer);

#endif
