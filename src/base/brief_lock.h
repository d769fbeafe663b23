/* HOST: A lock that is held for a few instructions, and for which nobody waits long: in a process
 * that was forked while another thread had it, it stays locked. What it protects must be
 * dispensable. */
#ifndef FC_BASE_BRIEF_LOCK_H
#define FC_BASE_BRIEF_LOCK_H

#include "base/io.h"

#include <stdatomic.h>
#include <stdbool.h>

#define FC_BRIEF_LOCK_TRIES 1000

static inline bool fc_brief_lock(atomic_flag *lock)
{
    for (int i = 0; i < FC_BRIEF_LOCK_TRIES; i++) {
        if (!atomic_flag_test_and_set(lock))
            return true;
        fc_yield();
    }
    return false;
}

#endif
