/* What the measured functions compute. */
#include "workload.h"

#include "measure.h"

#include <time.h>
#include <unistd.h>

uint64_t trivial_answer(uint64_t question)
{
    return question * 2654435761U + 1;
}

/* Plain loops over words, which the compiler turns into code that is faster than memory but does
 * real work. */
void fill_answer(void *data, size_t size, uint64_t seed)
{
    uint64_t *words = data;
    for (size_t i = 0; i < size / sizeof *words; i++)
        words[i] = seed + i;
}

bool answer_is_right(const void *data, size_t size, uint64_t seed)
{
    const uint64_t *words = data;
    uint64_t difference = 0;
    for (size_t i = 0; i < size / sizeof *words; i++)
        difference |= words[i] ^ (seed + i);
    return difference == 0;
}

/* Not static: if the compiler knew the pointer to be NULL, it could do anything but fault. */
volatile int *volatile bench_nowhere = NULL;

_Noreturn void crash_when_awaited(volatile uint64_t *fault_ns)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    nanosleep(&pause, NULL);
    *fault_ns = clock_ns();
    *bench_nowhere = 0;
    _exit(1); /* not reached, unless the fault fails: the run then counts as failed */
}
