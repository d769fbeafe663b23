/* Helpers for tests that watch a child while its call runs: by every method, the child notes what
 * it does in memory that it shares with the test. */
#ifndef CHILDREN_H
#define CHILDREN_H

#include "support.h"

/* The shared memory: a file that the test, its hosts and the children of every method map. It is
 * all 0 when a test begins. cmocka sets it up and tears it down. set_up_test also makes a first
 * call by the tested method. */
#define SHARED_MEMORY_SIZE 4096
void *shared_memory(void);
void clear_shared_memory(void);
int set_up_group(void **state);
int set_up_test(void **state);
int tear_down_group(void **state);

/* For wait_until: true if the atomic_int at flag is not 0. */
bool is_set(void *flag);

/* A deadline for a function that must miss it, in milliseconds. By SERVER the deadline is longer,
 * because it includes the time to get a child. */
int short_timeout_ms(void);

#endif
