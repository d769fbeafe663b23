/* HOST: Counts processors by affinity and by the quota of control groups. */
#include "os/cpus.h"

#include "config.h"
#include "os/cpu_quota.h"

#include <unistd.h>

#ifdef HAVE_SCHED_GETAFFINITY
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

/* The kernel refuses a set that is smaller than its own. */
#define SET_MAX (1 << 20)

/* The number of processors that the thread may use; 0: not known. */
static size_t allowed(void)
{
    for (int cpus = CPU_SETSIZE; cpus <= SET_MAX; cpus *= 2) {
        const size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        cpu_set_t *set = calloc(1, size);
        if (set == NULL)
            return 0;
        const int r = sched_getaffinity(0, size, set);
        const int error = errno;
        const int count = r == 0 ? CPU_COUNT_S(size, set) : 0;
        free(set);
        if (r == 0 || error != EINVAL)
            return (size_t)count;
    }
    return 0;
}
#else
static size_t allowed(void)
{
    return 0;
}
#endif

static size_t present(void)
{
    const size_t count = allowed();
    if (count > 0)
        return count;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

size_t fc_cpus_count(void)
{
    const size_t count = present();
    const size_t paid = fc_cpu_quota("");
    return paid > 0 && paid < count ? paid : count;
}
