/* ANY: By getrusage(2), and by /proc where that tells another program's peak. */
#include "os/usage.h"

#include "base/io.h"
#include "config.h"

#include <fcntl.h>
#include <unistd.h>

uint64_t fc_usage_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_usec * 1000U;
}

uint64_t fc_usage_peak_bytes(const struct rusage *usage)
{
    return (uint64_t)usage->ru_maxrss * FC_MAXRSS_UNIT;
}

#if FC_EXEC_KEEPS_PEAK
/* A number of kB that follows the key at the beginning of a line, of a file that is read byte by
 * byte: there is no limit to the lines before it. */
struct scan {
    size_t matched; /* bytes of the key */
    bool found, whole;
    uint64_t kib;
};

static void scan_byte(struct scan *scan, char byte)
{
    static const char key[] = "\nVmHWM:";
    if (scan->found && byte >= '0' && byte <= '9')
        scan->kib = scan->kib * 10 + (uint64_t)(byte - '0');
    else if (scan->found && scan->kib > 0)
        scan->whole = true;
    else if (!scan->found)
        scan->matched = byte == key[scan->matched] ? scan->matched + 1 : byte == key[0] ? 1 : 0;
    scan->found = scan->matched == sizeof key - 1;
}

/* ru_maxrss survives exec(2): of a process that was spawned it is at least its maker's peak, whose
 * memory it had until then. The peak of the memory that it has now is in proc_pid_status(5). 0: not
 * to be had. */
static uint64_t peak_since_exec(void)
{
    char bytes[1024];
    struct scan scan = {.matched = 0};
    const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    for (ssize_t n = 1; n > 0 && !scan.whole;) {
        n = fc_read(fd, bytes, sizeof bytes);
        for (ssize_t i = 0; i < n && !scan.whole; i++)
            scan_byte(&scan, bytes[i]);
    }
    close(fd);
    return scan.whole ? scan.kib * 1024U : 0;
}
#endif

static uint64_t peak(const struct rusage *usage, bool execed)
{
#if FC_EXEC_KEEPS_PEAK
    if (execed)
        return peak_since_exec();
#endif
    (void)execed;
    return fc_usage_peak_bytes(usage);
}

bool fc_usage_measure(struct fc_usage *used, bool execed)
{
    struct rusage usage, others;
    if (getrusage(RUSAGE_SELF, &usage) < 0 || getrusage(RUSAGE_CHILDREN, &others) < 0)
        return false;
    used->user_ns = fc_usage_ns(usage.ru_utime) + fc_usage_ns(others.ru_utime);
    used->system_ns = fc_usage_ns(usage.ru_stime) + fc_usage_ns(others.ru_stime);
    used->max_rss_bytes = peak(&usage, execed);
    if (used->max_rss_bytes != 0 && fc_usage_peak_bytes(&others) > used->max_rss_bytes)
        used->max_rss_bytes = fc_usage_peak_bytes(&others);
    return true;
}
