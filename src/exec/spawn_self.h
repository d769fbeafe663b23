/* HOST: posix_spawn(3) of this program. */
#ifndef FC_EXEC_SPAWN_SELF_H
#define FC_EXEC_SPAWN_SELF_H

#include "base/fd_message.h"

#include <stdbool.h>
#include <sys/types.h>

/* Starts path with the name (argv[0]), NULL: that of this program; with descriptors 0 to 2 and fd,
 * which becomes FC_EXEC_SELF_FD, and no others; every signal at its default; no signal blocked
 * except for exec/exec_mark.h; the environment of this process and marker ("name=value").
 *
 * Returns 0 or a negative errno. -EINVAL: fd is FC_EXEC_SELF_FD itself. Thread-safe. */
int fc_spawn_self(const char *path, const char *name, const char *marker, int fd, bool own_group, pid_t *pid);

/* ---- What the platform's file (spawn_self.*.c) gives ----------------------------------------- */

#include <spawn.h>

/* Adds what makes the new process start without the descriptors above FC_EXEC_SELF_FD. 0 or a
 * positive errno. */
int fc_spawn_self_close_others(posix_spawn_file_actions_t *actions, short *flags);

/* Called around fc_spawn_self_close_others and posix_spawn(3): meanwhile this library opens no
 * descriptor that the new process would get. */
void fc_spawn_self_begin(void);
void fc_spawn_self_end(void);

#endif
