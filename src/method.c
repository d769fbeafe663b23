#include "method.h"

#include <stddef.h>

const struct fc_method *fc_method_of(enum forkcall_method method)
{
    switch (method) {
    case FORKCALL_FORK:
        return &fc_method_fork;
    case FORKCALL_SPAWN:
        return &fc_method_spawn;
    case FORKCALL_INLINE:
        return &fc_method_inline;
    case FORKCALL_AUTO:
    case FORKCALL_SERVER:
        break;
    }
    return NULL;
}

enum forkcall_method fc_method_choose(enum forkcall_method wanted)
{
    return wanted == FORKCALL_AUTO ? FORKCALL_FORK : wanted;
}
