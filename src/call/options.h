/* HOST: The options of a call: what is wrong with them, and what the environment says. */
#ifndef FC_CALL_OPTIONS_H
#define FC_CALL_OPTIONS_H

#include <forkcall.h>

/* Behind the name of a buffer, and of a size. */
#define FC_NOT_INITIALISED \
    ": was not initialised by FORKCALL_BUF_INIT, forkcall_buf_fixed or forkcall_buf_shared, or its storage is NULL"
#define FC_BY_POINTER_NEEDS ": FORKCALL_BY_POINTER needs the method FORKCALL_FORK, FORKCALL_INLINE or FORKCALL_AUTO"

/* False: the arguments of a call are wrong, and the report's message says what, beginning with the
 * name of the field. Changes nothing else. */
bool fc_options_check(forkcall_fn *fn, const void *args, size_t args_size, const struct forkcall_buf *result,
                      const struct forkcall_options *options, struct forkcall_report *report);

/* Applies the environment to the library's copy of the options, where they allow it. False as
 * above. */
bool fc_options_from_environment(struct forkcall_options *options, struct forkcall_report *report);

/* Adds to a message about the method that the environment has chosen it, if it has. */
void fc_options_blame_environment(const struct forkcall_options *options, struct forkcall_report *report);

/* FORKCALL_DEBUG=1 is set, and the options allow the environment. */
bool fc_options_debug(const struct forkcall_options *options);

#endif
