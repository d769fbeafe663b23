/* SERVER: Sets SCHED_BATCH, on systems that have it: a thread that is woken does not interrupt the
 * one that woke it. */
#include "os/sched_batch.h"

#include "config.h"

#include <errno.h>
#include <unistd.h>

#ifdef HAVE_SCHED_BATCH
#include <sched.h>
#include <sys/syscall.h>

/* Makes the system calls itself, because musl's functions of these names always fail. */
static int set_policy(int policy)
{
    const struct sched_param none = {.sched_priority = 0};
    return (int)syscall(SYS_sched_setscheduler, 0, policy, &none);
}

void fc_sched_batch_set(bool patient)
{
    static bool is_patient;
    const int error = errno;
    if (patient != is_patient && (is_patient || syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER) &&
        set_policy(patient ? SCHED_BATCH : SCHED_OTHER) == 0)
        is_patient = patient;
    errno = error;
}

#else

void fc_sched_batch_set(bool patient)
{
    (void)patient;
}

#endif
