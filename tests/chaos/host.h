/* HOST: the process whose threads call, and which disturbs itself meanwhile. */
#ifndef HOST_H
#define HOST_H

#include "calls.h"

/* Calls for that many seconds from CALLERS threads; then all must be in order. 0, or 1 with what is
 * wrong on stderr. */
int host_main(struct host *host, unsigned seconds);

/* The user that the host becomes where it is root, so that limits of processes count. */
#define HOST_USER 64000

#endif
