/* ANY: The resource limits of a call. */
#ifndef FC_BASE_RLIMITS_H
#define FC_BASE_RLIMITS_H

#include <forkcall.h>

#include <stdbool.h>
#include <sys/resource.h>

/* The type of RLIMIT_…: an enum in glibc, which the compiler checks. */
#ifdef __GLIBC__
typedef __rlimit_resource_t fc_resource;
#else
typedef int fc_resource;
#endif

/* In the child: sets the limits. 0 or a negative errno. Async-signal-safe. */
int fc_limits_set(const struct forkcall_limits *limits);

/* In the host, after fc_limits_set has failed: the first limit that is above the hard limit of this
 * process, in words; "": none is. */
const char *fc_limits_refused(const struct forkcall_limits *limits, char *text, size_t size);

/* The reason, in words, if a limit has surely ended a child that was killed by this signal after so
 * much processor time; else NULL. */
const char *fc_limits_reason(const struct forkcall_limits *limits, int signal, uint64_t cpu_ns);

/* True: a file may grow to this size. This counts for a file in memory, too: growing it past
 * RLIMIT_FSIZE raises SIGXFSZ. */
bool fc_limits_allow_file(size_t size);

#endif
