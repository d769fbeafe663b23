/* ANY: What a process has used, as it can tell of itself. */
#ifndef FC_OS_USAGE_H
#define FC_OS_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/time.h>

struct fc_usage {
    uint64_t user_ns, system_ns;
    uint64_t max_rss_bytes; /* 0: not known */
};

/* Of this process, with that of the children that were waited for. execed: the process began by
 * exec, in one that may have been larger. False: it is not to be had. */
bool fc_usage_measure(struct fc_usage *used, bool execed);

uint64_t fc_usage_ns(struct timeval t);

/* ru_maxrss, whose unit is the system's. */
uint64_t fc_usage_peak_bytes(const struct rusage *usage);

#endif
