/* HOST: The methods that start a process: one row of operations each. INLINE starts none, and has
 * no row (call/run_inline.c). */
#ifndef FC_METHOD_TABLE_H
#define FC_METHOD_TABLE_H

#include "call/call.h"

struct fc_method {
    /* Returns true if the call must be refused now, and has then written the reason to the
     * report. */
    bool (*refuses)(struct forkcall_call *call);
    /* Makes call->process, with the host's ends of its channel in call->fds, or ends the call. */
    void (*start)(struct forkcall_call *call);
    /* The child has the host's modules at the same addresses. */
    bool shares_addresses;
};

extern const struct fc_method fc_method_fork, fc_method_server, fc_method_spawn;

/* The row of FORK, SERVER or SPAWN. NULL: of another. */
const struct fc_method *fc_method_of(enum forkcall_method method);

/* The method that AUTO means now. by_pointer: the arguments are handed over by pointer. Other
 * methods mean themselves. */
enum forkcall_method fc_method_choose(enum forkcall_method wanted, bool by_pointer);

#endif
