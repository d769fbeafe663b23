/* ANY: The resource limits of a call: set in the child, explained in the host. */
#include "base/rlimits.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#define CPU_TOLERANCE_NS 100000000U

static rlim_t to_limit(uint64_t value)
{
    return value == FORKCALL_LIMIT_ZERO ? 0 : (rlim_t)value;
}

static int set(fc_resource resource, uint64_t value, rlim_t more)
{
    if (value == 0)
        return 0;
    const struct rlimit limit = {.rlim_cur = to_limit(value), .rlim_max = to_limit(value) + more};
    return setrlimit(resource, &limit) < 0 ? -errno : 0;
}

int fc_limits_set(const struct forkcall_limits *limits)
{
    /* SIGXCPU comes one second before SIGKILL, and can be told from other ends. */
    int r = set(RLIMIT_CPU, limits->cpu_seconds, 1);
    if (r == 0)
        r = set(RLIMIT_FSIZE, limits->file_size_bytes, 0);
    if (r == 0)
        r = set(RLIMIT_CORE, limits->core_bytes, 0);
    if (r == 0)
        r = set(RLIMIT_NPROC, limits->processes, 0);
    if (r == 0)
        r = set(RLIMIT_NOFILE, limits->open_files, 0);
    if (r == 0)
        r = set(RLIMIT_AS, limits->address_space_bytes, 0);
    return r;
}

const char *fc_limits_reason(const struct forkcall_limits *limits, int signal, uint64_t cpu_ns)
{
    if (signal == SIGXCPU && limits->cpu_seconds != 0)
        return "limits.cpu_seconds was reached";
    if (signal == SIGXFSZ && limits->file_size_bytes != 0)
        return "limits.file_size_bytes was reached";
    if (signal != SIGKILL || limits->cpu_seconds == 0 || limits->cpu_seconds == FORKCALL_LIMIT_ZERO ||
        cpu_ns / 1000000000U < limits->cpu_seconds)
        return NULL;
    /* SIGKILL comes one second after SIGXCPU (fc_limits_set). But the kernel counts whole ticks for
     * the limit, and the usage exactly, which may be much less on a busy machine. */
    return (cpu_ns + CPU_TOLERANCE_NS) / 1000000000U > limits->cpu_seconds ? "limits.cpu_seconds was reached"
                                                                           : "perhaps limits.cpu_seconds was reached";
}

bool fc_limits_allow_file(size_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= size);
}
