/* ANY: Measures what this process has used. */
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

/* Measures this process and the children that it has waited for. execed: this process began by
 * exec, in a process that may have been larger. False: the system refuses. */
bool fc_usage_measure(struct fc_usage *used, bool execed);

uint64_t fc_usage_ns(struct timeval t);

/* ru_maxrss in bytes; its unit differs between systems. */
uint64_t fc_usage_peak_bytes(const struct rusage *usage);

#endif
