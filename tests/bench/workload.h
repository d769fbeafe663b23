/* What the measured functions compute: an answer that only the function itself can give, and large
 * answers, of which every byte is written and checked. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t trivial_answer(uint64_t question);

/* Fills size bytes (a multiple of 8, aligned for uint64_t), differently for every seed. */
void fill_answer(void *data, size_t size, uint64_t seed);

/* Reads every byte. True: they are those of fill_answer(). */
bool answer_is_right(const void *data, size_t size, uint64_t seed);

extern volatile int *volatile bench_nowhere;

/* Waits until the parent sleeps, stores the time, and faults at once. */
_Noreturn void crash_when_awaited(volatile uint64_t *fault_ns);

#endif
