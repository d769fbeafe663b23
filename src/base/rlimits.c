/* ANY: The resource limits of a call: set in the child, explained in the host. */
#include "base/rlimits.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define CPU_TOLERANCE_NS 100000000U

static rlim_t to_limit(uint64_t value)
{
    return value == FORKCALL_LIMIT_ZERO ? 0 : (rlim_t)value;
}

static const struct {
    size_t offset;
    rlim_t more; /* of the hard limit than of the soft one */
    fc_resource resource;
    char field[20]; /* no pointer: nothing to relocate */
} known[] = {
    /* SIGXCPU comes one second before SIGKILL, and can be told from other ends. */
    {offsetof(struct forkcall_limits, cpu_seconds), 1, RLIMIT_CPU, "cpu_seconds"},
    {offsetof(struct forkcall_limits, file_size_bytes), 0, RLIMIT_FSIZE, "file_size_bytes"},
    {offsetof(struct forkcall_limits, core_bytes), 0, RLIMIT_CORE, "core_bytes"},
    {offsetof(struct forkcall_limits, processes), 0, RLIMIT_NPROC, "processes"},
    {offsetof(struct forkcall_limits, open_files), 0, RLIMIT_NOFILE, "open_files"},
    {offsetof(struct forkcall_limits, address_space_bytes), 0, RLIMIT_AS, "address_space_bytes"},
};

#define KNOWN (sizeof known / sizeof *known)

/* 0: as the host's. */
static uint64_t field_of(const struct forkcall_limits *limits, size_t i)
{
    uint64_t value;
    memcpy(&value, (const char *)limits + known[i].offset, sizeof value);
    return value;
}

_Static_assert(sizeof(struct forkcall_limits) % sizeof(uint64_t) == 0, "no padding");

/* Does not look at the table, which a forked child would have to map first. */
static bool has_limits(const struct forkcall_limits *limits)
{
    uint64_t all = 0;
    for (size_t at = 0; at < sizeof *limits; at += sizeof all) {
        uint64_t value;
        memcpy(&value, (const char *)limits + at, sizeof value);
        all |= value;
    }
    return all != 0;
}

int fc_limits_set(const struct forkcall_limits *limits)
{
    if (!has_limits(limits))
        return 0;
    for (size_t i = 0; i < KNOWN; i++) {
        const uint64_t value = field_of(limits, i);
        const struct rlimit limit = {.rlim_cur = to_limit(value), .rlim_max = to_limit(value) + known[i].more};
        if (value != 0 && setrlimit(known[i].resource, &limit) < 0)
            return -errno;
    }
    return 0;
}

const char *fc_limits_refused(const struct forkcall_limits *limits, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < KNOWN && text[0] == '\0'; i++) {
        const uint64_t value = field_of(limits, i);
        struct rlimit own;
        if (value != 0 && getrlimit(known[i].resource, &own) == 0 && own.rlim_max != RLIM_INFINITY &&
            to_limit(value) + known[i].more > own.rlim_max)
            snprintf(text, size, "limits.%s: %llu is %s this process's hard limit of %llu", known[i].field,
                     (unsigned long long)to_limit(value), known[i].more > 0 ? "not below" : "above",
                     (unsigned long long)own.rlim_max);
    }
    return text;
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
