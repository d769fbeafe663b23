/* HOST, CHILD: The start gate: a child waits for the go byte, which the host writes when it can
 * wait for the child and signal it. */
#ifndef FC_OS_START_GATE_H
#define FC_OS_START_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* True: the host can see whether the go byte was taken. False: the child sends a STARTED frame. */
bool fc_start_gate_tells(void);

/* How many bytes the host writes behind the go byte: the call's nonce. A child whose function has
 * ended reads it, and so sees by read(2) alone that the pipe is still its own. */
#define FC_START_GATE_WITNESS sizeof(uint64_t)

/* In the host: how many bytes the child has not taken yet from the pipe, seen at the host's end.
 * The last of them are the go byte and the nonce. -1: not known (a sandbox). */
long fc_start_gate_left(int fd);

#endif
