/* SERVER: The system has no such scheduling policy. */
#include "os/sched_batch.h"

void fc_sched_batch_set(bool patient)
{
    (void)patient;
}
