/* HOST: the process whose threads call, and which disturbs itself at the same time. */
#ifndef HOST_H
#define HOST_H

#include "calls.h"

/* Calls from CALLERS threads for that many seconds, and then checks that all is in order. Returns
 * 0, or 1 with the fault on stderr. */
int host_main(struct host *host, unsigned seconds);

#endif
