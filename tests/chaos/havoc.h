/* What happens to the host's processes from outside: killed, stopped and continued at random. */
#ifndef HAVOC_H
#define HAVOC_H

#include "board.h"

#include <sys/types.h>

/* All descendants of this process but the host, which is one of its children; at most max are
 * listed, all are counted. */
int havoc_list(pid_t host, pid_t *list, int max);

/* One deed, or none; continues those whose time has come. */
void havoc_once(struct board *board, pid_t host, uint64_t *random);
/* Continues all that were stopped. */
void havoc_end(void);

#endif
