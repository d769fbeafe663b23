/* What the processes of the chaos test share: a file that is mapped by the host, its children, and
 * the process that disturbs them (havoc.h). */
#ifndef BOARD_H
#define BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CALLERS 6
#define LOST_MAX 4096

/* The calls of one thread. */
struct slot {
    /* The number of the present call, which the caller writes before the call. */
    atomic_uint_fast64_t serial;
    atomic_uint runs;               /* how often the present call's function has begun */
    atomic_int method, kind, async; /* of the present call, to report it if it does not end */
    atomic_uint_fast64_t since_ns;  /* 0: no call runs */
};

struct board {
    atomic_int host;     /* the host's pid; 0: it has not started */
    atomic_bool over;    /* havoc must end */
    atomic_bool is_calm; /* havoc has ended and all stopped processes go on */
    atomic_uint strays;  /* functions that began for a call that had ended */
    atomic_uint wrong;   /* calls that ended as they must not */
    atomic_uint lost;    /* calls whose child was lost together with its server */
    atomic_int lost_child[LOST_MAX];
    atomic_uint_fast64_t calls, ok, havocs;
    struct slot slot[CALLERS + 1]; /* the last slot is the main thread's */
};

/* Maps the file. NULL: it cannot be mapped. */
struct board *board_map(const char *path);

uint64_t now_ns(void);

/* Draws a number below `below`. Each thread has a generator of its own: the same seed gives the
 * same decisions. */
uint32_t draw(uint64_t *state, uint32_t below);

#endif
