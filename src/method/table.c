/* HOST: Chooses the method that AUTO means, and finds the operations of each. */
#include "method/table.h"

#include "child/exit_hooks.h"
#include "config.h"
#include "exec/exec_self.h"
#include "exec/init_called.h"

#include <stddef.h>

const struct fc_method *fc_method_of(enum forkcall_method method)
{
    switch (method) {
    case FORKCALL_FORK:
        return &fc_method_fork;
    case FORKCALL_SERVER:
        return &fc_method_server;
    case FORKCALL_SPAWN:
        return &fc_method_spawn;
    case FORKCALL_INLINE:
    case FORKCALL_AUTO:
        break;
    }
    return NULL;
}

enum forkcall_method fc_method_choose(enum forkcall_method wanted, bool by_pointer)
{
    if (wanted != FORKCALL_AUTO)
        return wanted;
    if (by_pointer || !fc_exec_self_is_possible() || fc_init_is_in_exec_self() || fc_is_child())
        return FORKCALL_FORK;
    return FC_SPARES_ARE_EXECED ? FORKCALL_SPAWN : FORKCALL_SERVER;
}
