/* This program, started again by posix_spawn to say one number. */
#ifndef BENCH_SELF_SPAWN_H
#define BENCH_SELF_SPAWN_H

#include <stdint.h>

/* First thing in main: in such a process it answers and does not return. Calls forkcall_init in
 * every other, and in between for one that is to say how long that takes. */
void self_begin(int argc, char **argv);

/* A run: posix_spawn of this program, 8 bytes from it through a pipe, waitpid. */
int64_t self_spawn_call(void *unused);

/* A run: the time that forkcall_init() took in a process of its own. */
int64_t self_init_time(void *unused);

#endif
