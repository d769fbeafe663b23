/* CHILD: A spinlock that notes its owner. A signal handler may interrupt the owner at any
 * instruction and must not wait for it. The owner's number is the lock, so there is no moment at
 * which it is taken and nobody's. Async-signal-safe. */
#ifndef FC_CHILD_OWNER_LOCK_H
#define FC_CHILD_OWNER_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fc_owner_lock {
    _Atomic(uintptr_t) owner; /* pthread_self(); 0: free */
};

/* Takes the lock. False: this very thread has it already (this is a signal handler); or wait is
 * false and another thread has it. */
bool fc_owner_lock_take(struct fc_owner_lock *lock, bool wait);

/* True: this very thread has it. */
bool fc_owner_lock_is_mine(struct fc_owner_lock *lock);

/* Makes it free, whoever has it. */
void fc_owner_lock_release(struct fc_owner_lock *lock);

#endif
