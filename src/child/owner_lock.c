/* CHILD: A spinlock that notes its owner. */
#include "child/owner_lock.h"

#include <pthread.h>
#include <sched.h>

bool fc_owner_lock_take(struct fc_owner_lock *lock, bool wait)
{
    const uintptr_t self = (uintptr_t)pthread_self();
    for (;;) {
        uintptr_t owner = 0;
        if (atomic_compare_exchange_strong(&lock->owner, &owner, self))
            return true;
        if (!wait || owner == self)
            return false;
        sched_yield();
    }
}

bool fc_owner_lock_is_mine(struct fc_owner_lock *lock)
{
    return atomic_load(&lock->owner) == (uintptr_t)pthread_self();
}

void fc_owner_lock_release(struct fc_owner_lock *lock)
{
    atomic_store(&lock->owner, 0);
}
