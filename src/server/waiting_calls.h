/* SERVER: the calls that have asked for a child and have no answer yet, first come, first
 * served. */
#ifndef FC_SERVER_WAITING_CALLS_H
#define FC_SERVER_WAITING_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* Takes the socket. Where there is no memory for it, it is answered at once. */
void fc_waiting_calls_add(int socket, uint32_t ask, bool has_fds);

/* The call waits no more. */
void fc_waiting_calls_drop(uint32_t ask);

/* The first can be tried: it was not yet, or there may be room now. */
bool fc_waiting_calls_can_be_tried(void);
/* Tries the first: it gets a child or an error, or stays the first while room is about to come. */
void fc_waiting_calls_try(void);

/* When the first is to be tried again whatever happens; UINT64_MAX: it is not. */
uint64_t fc_waiting_calls_next_ns(void);

/* In a child that is made for one of them, or for none (-1): the sockets of the others are not its
 * own. */
void fc_waiting_calls_forget(int except);

#endif
