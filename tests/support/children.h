/* What the tests share that watch what a child does while its call runs: it tells in memory that it
 * shares with them, whatever the method. */
#ifndef CHILDREN_H
#define CHILDREN_H

#include "support.h"

/* Memory that the test, its hosts and the children of every method see alike, all 0 at the
 * beginning of each test: a file that they map. Set up and torn down by cmocka; set_up_test warms
 * up the method, too. */
#define SHARED_MEMORY_SIZE 4096
void *shared_memory(void);
void clear_shared_memory(void);
int set_up_group(void **state);
int set_up_test(void **state);
int tear_down_group(void **state);

/* For wait_until: an atomic_int there is not 0. */
bool is_set(void *flag);

/* For a deadline that is to be missed, in milliseconds. By SERVER it holds for the getting of a
 * child, too, which must not miss it. */
int short_timeout_ms(void);

#endif
