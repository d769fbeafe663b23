/* HOST, CHILD: The go byte: the caller lets the child run once it has a hold on it. */
#ifndef FC_OS_START_GATE_H
#define FC_OS_START_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* Can the caller see whether the byte was taken? Where not, the child says STARTED in a frame of
 * its own. */
bool fc_start_gate_tells(void);

/* So many bytes lie behind the go byte: the call's nonce, by which a child that has ended its
 * function sees, by read(2) alone, that the pipe is still its own. */
#define FC_START_GATE_WITNESS sizeof(uint64_t)

/* In the caller: at its end of the pipe: how many bytes the child has not taken yet, of which the
 * go byte and the nonce are the last; -1: not known (a sandbox). */
long fc_start_gate_left(int fd);

#endif
