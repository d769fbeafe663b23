/* HOST: What a call in an event loop needs beside its own descriptors: a way to wake the thread
 * that waits for it, and one descriptor that is readable when there is something to do, a passed
 * deadline too. */
#ifndef FC_CALL_WAKEUP_H
#define FC_CALL_WAKEUP_H

#include "base/descriptors.h"

#include <stdint.h>

/* Opens FC_FD_WAKE (and FC_FD_WAKE_WRITE): polled for POLLIN by who waits. 0 or a negative
 * errno. */
int fc_wakeup_open(struct fc_fds *fds);

/* Makes FC_FD_WAKE readable. From any thread. */
void fc_wakeup_wake(const struct fc_fds *fds);

/* Makes FC_FD_WAKE unreadable again until fc_wakeup_wake or, where FC_FD_LOOP was handed out, until
 * deadline_ns (of fc_now_ns; UINT64_MAX: none). A wake that comes at the same time can be lost:
 * look for what it was to tell afterwards. */
void fc_wakeup_rearm(const struct fc_fds *fds, uint64_t deadline_ns);

/* FC_FD_LOOP, readable when any of the call's own descriptors, or extra (-1: none), or FC_FD_WAKE
 * is. Opened at the first call. Negative errno. */
int fc_wakeup_fd(struct fc_fds *fds, int extra);

/* Another descriptor (-1: none) that has come into being after FC_FD_LOOP was handed out. Where it
 * cannot be watched, the time to look again (fc_wakeup_rearm) makes good for it. */
void fc_wakeup_also(const struct fc_fds *fds, int fd);

/* The descriptor is about to be closed: without this, a copy in a child of the host would keep
 * reporting it. */
void fc_wakeup_forget(const struct fc_fds *fds, int fd);

#endif
