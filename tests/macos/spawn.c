/* A library for LD_PRELOAD that imposes on Linux what XNU does with the file actions of
 * posix_spawn(3).
 *
 * The action of posix_spawn_file_actions_adddup2(fd, fd), with the same number twice, does not
 * clear close-on-exec: the descriptor is still closed at exec. glibc, musl and FreeBSD clear it.
 * XNU: bsd/kern/kern_exec.c 3130 (PSFA_DUP2 is a plain dup2); bsd/kern/kern_descrip.c, dup2
 * (returns at once if both numbers are the same).
 *
 * SPDX-License-Identifier: MIT */
#include "preload.h"

#include <spawn.h>

static next_address next_posix_spawn_file_actions_adddup2;

__attribute__((constructor)) static void find_next(void)
{
    (void)NEXT(posix_spawn_file_actions_adddup2);
}

int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to)
{
    return from == to ? 0 : NEXT(posix_spawn_file_actions_adddup2)(actions, from, to);
}
