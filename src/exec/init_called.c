/* ANY: Whether forkcall_init() was called in this process, and what the process has been since
 * then. */
#include "exec/init_called.h"

#include <stdatomic.h>

static atomic_bool initialised, is_exec_self;

void fc_init_note(bool in_exec_self)
{
    atomic_store(&is_exec_self, in_exec_self);
    atomic_store(&initialised, true);
}

bool fc_init_was_called(void)
{
    return atomic_load(&initialised);
}

bool fc_init_is_in_exec_self(void)
{
    return atomic_load(&is_exec_self);
}
