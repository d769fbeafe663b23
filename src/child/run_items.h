/* CHILD: Serves items of a map, in a call that runs many. */
#ifndef FC_CHILD_RUN_ITEMS_H
#define FC_CHILD_RUN_ITEMS_H

#include <forkcall.h>

/* The function of a call that serves items. args: a struct fc_items_setup (wire/items.h). Whatever
 * ends an item in another way than by its return ends the call in the way that it would end a call
 * of its own. */
int fc_run_items(const void *args, size_t args_size, struct forkcall_buf *result);

#endif
