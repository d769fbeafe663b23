/* CHILD: The child's standard streams: descriptors 0, 1 and 2, and stdio's buffers over them. */
#ifndef FC_CHILD_STREAMS_H
#define FC_CHILD_STREAMS_H

#include "wire/task.h"

/* Puts /dev/null and the captured ends at 0, 1 and 2. 0 or a negative errno. */
int fc_streams_redirect(const struct fc_task *task);

/* In the host: stdout or stderr holds bytes that are not flushed. */
bool fc_streams_are_pending(void);

/* In the child: drops those bytes, which the host itself will write. */
void fc_streams_purge(void);

/* In the child, where nothing is pending: makes stdout write every line at once. threaded: as in
 * struct fc_task. */
void fc_streams_buffer_by_line(bool threaded);

/* Writes out what the function has written to stdout and stderr. Other streams may be the host's,
 * and stay. */
void fc_streams_flush(void);

#endif
