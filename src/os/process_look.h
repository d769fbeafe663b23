/* HOST: What the system tells of a process that lives: whether it runs, waits or is stopped. */
#ifndef FC_OS_PROCESS_LOOK_H
#define FC_OS_PROCESS_LOOK_H

#include "os/process.h"

#include <stdbool.h>

struct fc_process_look {
    /* 'R': runs, 'S': waits, 'D': waits and cannot be interrupted, 'T': is stopped, 't': is stopped
     * by a debugger; 0: not known. The rest is known only if this is. */
    char state;
    bool catches; /* the signal that was asked about */
    bool blocks;  /* in this thread */
    unsigned threads;
};

/* Looks at a process, as far as /proc tells. signal: which is asked about. What is seen is surely
 * of this process, and not of another that has got its number. */
struct fc_process_look fc_process_look_at(const struct fc_process *process, int signal);

/* The same for one thread, which need not be of that process any more. */
struct fc_process_look fc_process_look_at_thread(pid_t pid, long thread, int signal);

#endif
