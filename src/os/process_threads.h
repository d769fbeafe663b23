/* HOST: The threads of a child, where the system lists them. */
#ifndef FC_OS_PROCESS_THREADS_H
#define FC_OS_PROCESS_THREADS_H

#include "os/process.h"

/* Sends a signal with a value to at most max threads of a process that handle it at once:
 * not to those that block it, are stopped, have ended or cannot be interrupted, and not to the
 * thread `without`. Returns how many it was sent to. */
unsigned fc_process_queue_to_threads(const struct fc_process *process, long without, int signal, int value,
                                     unsigned max);

#endif
