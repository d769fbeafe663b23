/* What the processes of the chaos test share: a file that the host, its children and the process
 * that makes havoc map. */
#ifndef BOARD_H
#define BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CALLERS 6
#define LOST_MAX 4096

/* One for each calling thread. */
struct slot {
    /* Of the call that runs now; written by the caller before the call. */
    atomic_uint_fast64_t serial;
    atomic_uint runs;               /* how often the function of that call began */
    atomic_int method, kind, async; /* of that call, for the report of one that does not end */
    atomic_uint_fast64_t since_ns;  /* 0: no call runs */
};

struct board {
    atomic_int host;     /* its pid; 0: not there yet */
    atomic_bool over;    /* havoc is to end */
    atomic_bool is_calm; /* havoc has ended and all stopped processes go on */
    atomic_uint strays;  /* functions that began for a call that had ended */
    atomic_uint wrong;   /* calls that ended as they must not */
    atomic_uint lost;    /* calls whose child was lost with its server */
    atomic_int lost_child[LOST_MAX];
    atomic_uint_fast64_t calls, ok, havocs;
    struct slot slot[CALLERS + 1]; /* the last one: the main thread's */
};

/* Maps the file; NULL: it cannot be had. */
struct board *board_map(const char *path);

uint64_t now_ns(void);

/* A generator of its own for each thread: the same seed gives the same decisions. */
uint32_t draw(uint64_t *state, uint32_t below);

#endif
