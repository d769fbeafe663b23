/* HOST: Nothing here lists the threads of another process. */
#include "os/process_threads.h"

unsigned fc_process_queue_to_threads(const struct fc_process *process, long without, int signal, int value,
                                     unsigned max)
{
    (void)process;
    (void)without;
    (void)signal;
    (void)value;
    (void)max;
    return 0;
}
