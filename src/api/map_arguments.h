/* HOST: Checks what forkcall_map is given. */
#ifndef FC_API_MAP_ARGUMENTS_H
#define FC_API_MAP_ARGUMENTS_H

#include <forkcall.h>

/* All that a map does not share with a single call: fn and options->call are checked with
 * fc_options_check. False: the report's message says what is wrong. */
bool fc_map_check(const void *items, size_t item_size, size_t count, const struct forkcall_buf *results,
                  const struct forkcall_map_options *options, struct forkcall_report *report);

/* The message of fc_options_check about the options of the items' calls: makes it name the field as
 * the caller of forkcall_map knows it. fn and output are the map's own. */
void fc_map_name_field(struct forkcall_report *report);

#endif
