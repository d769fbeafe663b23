/* Disturbs the host's processes from outside: kills, stops and continues them at random. */
#ifndef HAVOC_H
#define HAVOC_H

#include "board.h"

#include <sys/types.h>

/* Counts all descendants of this process, except the host, which is one of its children. At most
 * max of them are listed. */
int havoc_list(pid_t host, pid_t *list, int max);

/* Causes one disturbance or none, and continues the stopped processes whose time has come. */
void havoc_once(struct board *board, pid_t host, uint64_t *random);
/* Continues all stopped processes. */
void havoc_end(void);

#endif
