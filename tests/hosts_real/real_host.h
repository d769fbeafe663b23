/* What a plugin in a real host does: calls by the helper, from several threads of the host, while
 * the host has children and threads of its own. Each function returns "ok", or what is wrong, in
 * memory of the calling thread that is valid until its next call. */
#ifndef REAL_HOST_H
#define REAL_HOST_H

#include <forkcall.h>

#define REAL_HOST_CALLS 200

/* Once, before the others. helper: the path of forkcall-helper. */
const char *real_host_begin(const char *helper);

/* An answer, a crash that is told with its function, a hang that ends at its deadline, and
 * REAL_HOST_CALLS answers more. Thread-safe. */
const char *real_host_calls(void);

/* Once, when no thread of the host makes calls: nothing is left of the library's in the host. */
const char *real_host_end(void);

/* For a call that the host ends. */
forkcall_fn real_host_never_ends;

#endif
