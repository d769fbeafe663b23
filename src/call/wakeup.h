/* HOST: Wakes the thread that waits for a call, and gives an event loop one descriptor that is
 * readable when the call has something to do, for instance at its deadline. */
#ifndef FC_CALL_WAKEUP_H
#define FC_CALL_WAKEUP_H

#include "base/descriptors.h"

#include <stdint.h>

/* Opens FC_FD_WAKE (and FC_FD_WAKE_WRITE), which a waiting thread polls for POLLIN. 0 or a negative
 * errno. */
int fc_wakeup_open(struct fc_fds *fds);

/* Makes FC_FD_WAKE readable. Any thread may call it. */
void fc_wakeup_wake(const struct fc_fds *fds);

/* Makes FC_FD_WAKE unreadable until the next fc_wakeup_wake or, if FC_FD_LOOP was handed out, until
 * deadline_ns (of fc_now_ns; UINT64_MAX: never). A wake-up that comes at the same time can be lost,
 * so the caller looks afterwards at what it may have announced. */
void fc_wakeup_rearm(const struct fc_fds *fds, uint64_t deadline_ns);

/* Returns FC_FD_LOOP, which is readable when FC_FD_WAKE, a descriptor of the call, or extra (-1:
 * none) is; or a negative errno. Opens it when it is called first. */
int fc_wakeup_fd(struct fc_fds *fds, int extra);

/* Adds a descriptor (-1: none) that was opened after FC_FD_LOOP. If it cannot be watched, the call
 * is looked at again when the time of fc_wakeup_rearm comes. */
void fc_wakeup_also(const struct fc_fds *fds, int fd);

/* Called before a descriptor is closed: epoll(7) would go on reporting it as long as a child of the
 * host holds it. */
void fc_wakeup_forget(const struct fc_fds *fds, int fd);

#endif
