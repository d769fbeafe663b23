/* SERVER: SCHED_BATCH for the server: when a host on the same core wakes the server, the host keeps
 * running. */
#ifndef FC_OS_SCHED_BATCH_H
#define FC_OS_SCHED_BATCH_H

#include <stdbool.h>

/* patient: a thread that wakes this one keeps running until it sleeps or its time slice is over.
 * Otherwise the kernel may let this thread run at once. Does nothing if the thread's scheduling is
 * not SCHED_OTHER or cannot be changed. */
void fc_sched_batch_set(bool patient);

#endif
