/* HOST: makes the calls of the chaos test, and judges how they ended. */
#ifndef CALLS_H
#define CALLS_H

#include "board.h"

#include <stdbool.h>

/* What the threads of the host share. */
struct host {
    struct board *board;
    const char *board_path;
    uint64_t seed;
    bool may_lose_calls; /* descriptors are sometimes closed while calls use them */
};

enum kind {
    KIND_ANSWER, /* up to 200 kB, filled from the call's serial number */
    KIND_LARGE,  /* 1 MiB, in place */
    KIND_FAIL,
    KIND_CRASH,
    KIND_EXIT,
    KIND_HANG, /* ended by a deadline or a cancel */
    KIND_SLEEP,
    KIND_COUNT
};

/* Makes one call of the thread with that slot, chosen by the generator. Prints and counts an
 * outcome that the call must not have. */
void calls_make_one(const struct host *host, int slot, uint64_t *random);

/* Called after all havoc: True if a call by each method is answered. Else prints which is not. */
bool calls_work_again(const struct host *host);

#endif
