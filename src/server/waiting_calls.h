/* SERVER: The calls that have sent an ASK and wait for a child: first come, first served. */
#ifndef FC_SERVER_WAITING_CALLS_H
#define FC_SERVER_WAITING_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* Enters a call. Takes over the socket, through which the call is answered. If there is no memory
 * the call is answered at once. */
void fc_waiting_calls_add(int socket, uint32_t ask, bool has_fds);

/* Takes out the call that sent this ASK, because it does not wait any more. */
void fc_waiting_calls_drop(uint32_t ask);

/* The first call can be tried: it has not been tried yet, or there may be room for its child
 * now. */
bool fc_waiting_calls_can_be_tried(void);
/* Tries the first call. It gets a child or an error, or stays the first if room is about to
 * come. */
void fc_waiting_calls_try(void);

/* When the first call must be tried again whatever happens; UINT64_MAX: no call waits. */
uint64_t fc_waiting_calls_next_ns(void);

/* For a child that was just forked: closes the sockets of all calls but except, the one that the
 * child was made for (-1: none). */
void fc_waiting_calls_forget(int except);

#endif
