/* HOST: the calls of the chaos test, and the judgement of how they ended. */
#ifndef CALLS_H
#define CALLS_H

#include "board.h"

#include <stdbool.h>

/* What the threads of the host share. */
struct host {
    struct board *board;
    const char *board_path;
    uint64_t seed;
    bool may_lose_calls; /* descriptors are closed under running calls' hands at times */
};

enum kind {
    KIND_ANSWER, /* up to 200 kB, filled by the call's serial */
    KIND_LARGE,  /* 1 MiB, in place */
    KIND_FAIL,
    KIND_CRASH,
    KIND_EXIT,
    KIND_HANG, /* to be ended by a deadline, or canceled */
    KIND_SLEEP,
    KIND_COUNT
};

/* One call by the thread with that slot, chosen by the generator. Prints what it must not be, and
 * counts it. */
void calls_make_one(const struct host *host, int slot, uint64_t *random);

/* After all havoc: a call by each method is answered. False: prints which is not. */
bool calls_work_again(const struct host *host);

#endif
