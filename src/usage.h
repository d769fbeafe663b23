/* What a process has used, as it can tell of itself. */
#ifndef FC_USAGE_H
#define FC_USAGE_H

#include "frame.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/time.h>

/* Fills the trailer's usage in, with that of the children that were waited for. execed: the process began by exec, in one that
 * may have been larger. Where something is not to be had the trailer says so. */
void fc_usage_measure(struct fc_trailer *trailer, bool execed);

uint64_t fc_usage_ns(struct timeval t);

/* ru_maxrss, whose unit is the system's. */
uint64_t fc_usage_peak_bytes(const struct rusage *usage);

#endif
