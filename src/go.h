/* The go byte: the caller lets the child run once it has a hold on it. */
#ifndef FC_GO_H
#define FC_GO_H

#include <stdbool.h>

/* Can the caller see whether the byte was taken? Where not, the child says STARTED in a frame of its own. */
bool fc_go_tells(void);

/* In the caller: how many bytes the child has not taken yet; -1: not known. */
long fc_go_left(int fd);

/* In the caller, at its end of the pipe: 1 yes, 0 no, -1 not known (a sandbox). */
int fc_go_was_taken(int fd);

#endif
