#include "patience.h"

#include <errno.h>
#include <sched.h>

void fc_be_patient(bool patient)
{
    static bool is_patient;
    const struct sched_param none = {.sched_priority = 0};
    const int error = errno;
    if (patient != is_patient && (is_patient || sched_getscheduler(0) == SCHED_OTHER) &&
        sched_setscheduler(0, patient ? SCHED_BATCH : SCHED_OTHER, &none) == 0)
        is_patient = patient;
    errno = error;
}
