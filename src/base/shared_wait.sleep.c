/* ANY: Waits for a word in shared memory by looking at it again and again. */
#include "base/shared_wait.h"

#include <stddef.h>
#include <time.h>

/* The rests are 50, 100, 200 … µs, up to 3.2 ms. */
#define FIRST_REST_NS 50000L
#define DOUBLINGS 6U

void fc_shared_wait(_Atomic(uint32_t) *word, unsigned round)
{
    const struct timespec rest = {.tv_nsec = FIRST_REST_NS << (round < DOUBLINGS ? round : DOUBLINGS)};
    if (atomic_load(word) == 1)
        nanosleep(&rest, NULL);
}

void fc_shared_wake(_Atomic(uint32_t) *word)
{
    (void)word;
}
