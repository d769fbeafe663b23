/* SERVER: SCHED_BATCH for the server: when a host on the same core wakes the server, the host keeps
 * running. */
#ifndef FC_OS_SCHED_BATCH_H
#define FC_OS_SCHED_BATCH_H

#include <stdbool.h>

/* Patient: what wakes this thread goes on, until it sleeps or its turn is over; else the kernel may
 * put this thread before it at once. Where the thread's scheduling is not the usual one, or cannot
 * be changed, nothing is done. */
void fc_sched_batch_set(bool patient);

#endif
