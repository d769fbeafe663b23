/* HOST: A map whose children serve many items each. */
#ifndef FC_API_MAP_WORKERS_H
#define FC_API_MAP_WORKERS_H

#include "api/map_state.h"

/* Runs all items. 0. A negative errno: nothing was done, because there is no memory that can be
 * shared with a child, or no child that can find the function. */
int fc_map_workers_run(struct fc_map *map);

#endif
