/* HOST: posix_spawn(3) of a copy. */
#ifndef FC_EXEC_SPAWN_SELF_H
#define FC_EXEC_SPAWN_SELF_H

#include "base/fd_message.h"

#include <stdbool.h>
#include <sys/types.h>

/* Starts path with descriptors 0 to 2 and fd, which becomes FC_EXEC_SELF_FD, and no other; every
 * signal at its default, none blocked but for exec/kernel_mark.h; the environment of this process
 * and marker ("name=value"). 0 or a negative errno; -EINVAL: fd is FC_EXEC_SELF_FD itself. */
int fc_spawn_self(const char *path, const char *marker, int fd, bool own_group, pid_t *pid);

/* ---- What the platform's file (spawn_self.*.c) gives ----------------------------------------- */

#include <spawn.h>

/* Makes the copy start without the descriptors above FC_EXEC_SELF_FD. 0 or an errno. */
int fc_spawn_self_close_others(posix_spawn_file_actions_t *actions, short *flags);

#endif
