/* HOST: Children that did not end within a second of SIGKILL (uninterruptible sleep, a tracer). A
 * later call reaps them. */
#ifndef FC_CALL_UNREAPED_H
#define FC_CALL_UNREAPED_H

#include "base/descriptors.h"
#include "os/process.h"

/* Takes the process over, with its descriptor. */
void fc_unreaped_add(const struct fc_process *process, struct fc_fds *fds);

/* Reaps those that have ended meanwhile. Does not wait. Costs next to nothing where there are
 * none. */
void fc_unreaped_reap(void);

#endif
