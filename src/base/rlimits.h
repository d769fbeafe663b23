/* ANY: The resource limits of a call. */
#ifndef FC_BASE_RLIMITS_H
#define FC_BASE_RLIMITS_H

#include <forkcall.h>

#include <stdbool.h>

/* In the child. 0 or a negative errno. */
int fc_limits_set(const struct forkcall_limits *limits);

/* A sentence's part where the limit surely ended a child that was killed by this signal after so
 * much processor time, else NULL. */
const char *fc_limits_reason(const struct forkcall_limits *limits, int signal, uint64_t cpu_ns);

/* May a file be made so large? A file in memory counts, too: growing it past RLIMIT_FSIZE raises
 * SIGXFSZ. */
bool fc_limits_allow_file(size_t size);

#endif
