/* HOST: Closes the other descriptors by one action (glibc 2.34, Solaris). */
#include "exec/spawn_self.h"

// NOLINTNEXTLINE(readability-non-const-parameter): another platform sets them
int fc_spawn_self_close_others(posix_spawn_file_actions_t *actions, short *flags)
{
    (void)flags;
    return posix_spawn_file_actions_addclosefrom_np(actions, FC_EXEC_SELF_FD + 1);
}

void fc_spawn_self_begin(void)
{
}

void fc_spawn_self_end(void)
{
}
