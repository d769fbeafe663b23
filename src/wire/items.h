/* HOST, CHILD: What a host and a child that serves items of a map share.
 *
 * The function of such a child's call is fc_run_items (child/run_items.h), and its arguments are a
 * struct fc_items_setup. Host and child share memory of a fixed size: struct fc_items_memory, then
 * the log, then the areas. The host hands out grants, ranges of items; all items that a child is
 * granted are numbered from 0 on. The child runs them in order, and appends a record for each to
 * the log, a ring of bytes, from which the host takes them.
 *
 * All positions in the log and all numbers of items count up from 0, the former modulo 2^32. Each
 * word below is written by one side. The host believes nothing of what the child writes. */
#ifndef FC_WIRE_ITEMS_H
#define FC_WIRE_ITEMS_H

#include "module/lookup.h"

#include <forkcall.h>

#include <stdatomic.h>

/* How many grants a child may have at once. */
#define FC_ITEMS_GRANTS 2U

/* A child is granted fewer items than that. */
#define FC_ITEMS_MAX 0x40000000U

struct fc_items_grant {
    uint64_t first;           /* the index of its first item in the map */
    uint64_t max_result;      /* of each of its items */
    _Atomic(uint32_t) number; /* of its first item */
    uint32_t tell_at;         /* the number of the item after which the child wakes the host */
};

/* What one side writes lies apart from what the other side writes. */
struct fc_items_memory { /* NOLINT(clang-analyzer-optin.performance.Padding): for that it is padded */
    /* ---- written by the host ---- */
    _Atomic(uint32_t) grants; /* how many grants there have been; grant i lies in grant[i % 2] */
    /* The child may begin the items whose numbers are less. Is lowered where the host takes back
     * what the child has not begun. */
    _Atomic(uint32_t) limit;
    _Atomic(uint32_t) taken;  /* the position up to which the host has taken the log */
    _Atomic(uint32_t) finish; /* not 0: the child ends, once it has no item to begin */
    struct fc_items_grant grant[FC_ITEMS_GRANTS];

    /* ---- written by the child ---- */
    /* How many items the child has begun. The child raises it, and then looks at the limit. So the
     * host, which lowers the limit and then looks at this, takes back no item that has begun. */
    _Alignas(64) _Atomic(uint32_t) begun;
    _Atomic(uint32_t) begun_ms; /* when the last of them began: the clock's milliseconds */
    _Atomic(uint32_t) item_ns;  /* how long an item takes; 0: not known */
    _Atomic(uint32_t) written;  /* the position up to which the child has filled the log */

    /* ---- set to 1 by who is about to sleep, and to 0 by who then wakes it ---- */
    _Alignas(64) _Atomic(uint32_t) host_waits; /* for a frame ITEMS */
    _Atomic(uint32_t) child_waits;             /* see base/shared_wait.h */
};

/* What the log says of an item: this; with has_time the nanoseconds that the item took, in 8 bytes;
 * then size bytes: the result, or the message of a failure; and up to 7 bytes that mean nothing. */
struct fc_items_record {
    uint32_t number; /* of the item */
    int32_t code;
    uint32_t size_low; /* the lower 32 bits of size */
    uint16_t size_high;
    uint8_t end; /* FC_END_RETURNED, _TOO_BIG or _NO_MEMORY */
    uint8_t has_time;
};
#define FC_ITEMS_SIZE_MAX 0xffffffffffffU

static inline uint64_t fc_items_padded(uint64_t size)
{
    return (size + 7U) & ~(uint64_t)7U;
}

/* Where the parts of the shared memory lie. */
struct fc_items_layout {
    uint64_t size; /* of all */
    uint32_t log_at, log_size;
    /* The area of grant i: its items, each at a multiple of stride. In a fork of the host, which
     * has the items, the first area is the place to which an item is copied that is not aligned for
     * any type. */
    uint64_t areas_at, area_size, stride;
};

struct fc_items_setup {
    struct fc_items_layout layout;
    uint64_t item_size;
    bool has_items;   /* else each item is NULL */
    bool realign;     /* in a fork: items are copied to the first area */
    bool drop_result; /* nobody wants results */
    bool take_time;   /* the records tell how long the items took, and begun_ms is kept */
    /* In a fork of the host. */
    struct fc_items_memory *memory;
    forkcall_fn *fn;
    const char *items;
    /* In another child: the descriptor of the memory, and the name of the function, of which only
     * the bytes that count are sent. */
    int32_t fd;
    struct fc_module_function name;
};

#endif
