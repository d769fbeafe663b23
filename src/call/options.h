/* HOST: The options of a call: what is wrong with them, and what the environment says. */
#ifndef FC_CALL_OPTIONS_H
#define FC_CALL_OPTIONS_H

#include <forkcall.h>

/* Says what is wrong with the arguments of a call, beginning with the name of the field. NULL:
 * nothing. Changes nothing. */
const char *fc_options_check(forkcall_fn *fn, const void *args, size_t args_size, const struct forkcall_buf *result,
                             const struct forkcall_options *options);

/* Applies FORKCALL_METHOD to the library's copy of the options. NULL, or what is wrong with it. */
const char *fc_options_from_environment(struct forkcall_options *options);

/* FORKCALL_DEBUG=1 is set, and the options allow the environment. */
bool fc_options_debug(const struct forkcall_options *options);

#endif
