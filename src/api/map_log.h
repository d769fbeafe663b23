/* HOST: Takes the records that a child puts into its log (wire/items.h). */
#ifndef FC_API_MAP_LOG_H
#define FC_API_MAP_LOG_H

#include "api/map_worker.h"

/* The grant and the index of the first item that has not ended. Not if there is none. */
const struct fc_map_grant *fc_map_log_grant(struct fc_map_worker *worker);
size_t fc_map_log_index(struct fc_map_worker *worker);

/* Takes the records up to a position in the log, and ends their items. A child that writes what the
 * library does not write is killed. */
void fc_map_log_take(struct fc_map_worker *worker, uint32_t written);

/* The same, of the items with a number below that. */
void fc_map_log_take_before(struct fc_map_worker *worker, uint32_t number);

#endif
