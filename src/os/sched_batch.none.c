/* SERVER: The system has no such scheduling policy. */
#include "os/sched_batch.h"

void fc_be_patient(bool patient)
{
    (void)patient;
}
