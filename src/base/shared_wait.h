/* ANY: Waits for a word in memory that two processes share. */
#ifndef FC_BASE_SHARED_WAIT_H
#define FC_BASE_SHARED_WAIT_H

#include <stdatomic.h>
#include <stdint.h>

/* Waits until another process wakes this one, if *word is 1. May return earlier, so it is called in
 * a loop; round counts its rounds from 0. Async-signal-safe. */
void fc_shared_wait(_Atomic(uint32_t) *word, unsigned round);

/* Wakes a process that waits for the word, which is no more 1. Async-signal-safe. */
void fc_shared_wake(_Atomic(uint32_t) *word);

#endif
