/* HOST: macOS: Makes every descriptor close-on-exec except those that an action names
 * (posix_spawnattr_setflags(3)). */
#include "exec/spawn_self.h"

#include <fcntl.h>

int fc_spawn_self_close_others(posix_spawn_file_actions_t *actions, short *flags)
{
    int r = 0;
    *flags = (short)(*flags | POSIX_SPAWN_CLOEXEC_DEFAULT);
    for (int fd = 0; r == 0 && fd < 3; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            r = posix_spawn_file_actions_addinherit_np(actions, fd);
    return r;
}

void fc_spawn_self_begin(void)
{
}

void fc_spawn_self_end(void)
{
}
