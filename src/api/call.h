/* HOST: Calls for the other files of this folder. */
#ifndef FC_API_CALL_H
#define FC_API_CALL_H

#include "call/call.h"

/* As forkcall_start, but report and trace name another function than the one that the child
 * calls. */
int fc_call_start_as(forkcall_fn *reported, struct forkcall_call **call, forkcall_fn *fn, const void *args,
                     size_t args_size, struct forkcall_buf *result, const struct forkcall_options *options);

#endif
