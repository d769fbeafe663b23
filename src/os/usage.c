/* ANY: Uses getrusage(2), and /proc on systems where exec keeps the peak of the program before. */
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
/* Looks for a number of kB behind the key at the beginning of a line. The file is read byte by
 * byte, because the lines before it may have any length. */
struct scan {
    size_t matched; /* how many bytes of the key have matched */
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

/* The peak of the memory that this process has since exec, from proc_pid_status(5). ru_maxrss
 * survives exec(2): in a spawned process it is at least its maker's peak, whose memory the process
 * shared before. 0: not known. */
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
