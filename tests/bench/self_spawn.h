/* Starts this program again by posix_spawn(), to print one number. */
#ifndef BENCH_SELF_SPAWN_H
#define BENCH_SELF_SPAWN_H

#include <stdint.h>

/* Called first in main. In a process of self_spawn_call() it answers and does not return. In every
 * other process it calls forkcall_init(); a process of self_init_time() then reports how long that
 * took, and does not return. */
void self_begin(int argc, char **argv);

/* A run: posix_spawn() of this program, 8 bytes from it through a pipe, waitpid(). */
int64_t self_spawn_call(void *unused);

/* A run: the time that forkcall_init() takes in a new process. */
int64_t self_init_time(void *unused);

#endif
