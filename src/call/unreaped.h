/* HOST: Children that did not end within a second of SIGKILL (uninterruptible sleep, a tracer). A
 * later call reaps them. */
#ifndef FC_CALL_UNREAPED_H
#define FC_CALL_UNREAPED_H

#include "base/descriptors.h"
#include "os/process.h"

/* Keeps the process, and its descriptor from fds, for fc_unreaped_reap. */
void fc_unreaped_add(const struct fc_process *process, struct fc_fds *fds);

/* Reaps those that have ended meanwhile. Does not wait. Thread-safe. One atomic load if there are
 * none. */
void fc_unreaped_reap(void);

#endif
