/* HOST: A map that gives each item a process of its own. */
#ifndef FC_API_MAP_CALLS_H
#define FC_API_MAP_CALLS_H

#include "api/map_state.h"

/* Sets the callbacks of the items' calls. */
void fc_map_calls_set_callbacks(struct fc_map *map);

/* Runs all items. 0; -ENOMEM: nothing was done. */
int fc_map_calls_run(struct fc_map *map);

#endif
