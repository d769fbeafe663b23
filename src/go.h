/* The go byte: the caller lets the child run once it has a hold on it. */
#ifndef FC_GO_H
#define FC_GO_H

#include <stdbool.h>

/* Can the caller see whether the byte was taken? Where not, the child says STARTED in a frame of its own. */
bool fc_go_tells(void);

/* In the caller: at its end of the pipe: how many bytes the child has not taken yet, of which the go byte is the
 * last; -1: not known (a sandbox). */
long fc_go_left(int fd);

#endif
