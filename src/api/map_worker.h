/* HOST: A child that serves items of a map, as its host sees it. */
#ifndef FC_API_MAP_WORKER_H
#define FC_API_MAP_WORKER_H

#include "api/map_state.h"
#include "wire/items.h"

/* Items that follow each other. */
struct fc_map_range {
    size_t first, count;
};

/* What all workers of a map have in common. */
struct fc_map_team {
    struct fc_map *map;
    enum forkcall_method method; /* FORK, SERVER or SPAWN */
    struct fc_items_layout layout;
    struct fc_module_function name; /* of the function, where the method needs one */
    bool realign;
    uint32_t items_per_child;
    uint32_t depth; /* how many grants a child has at once */
    /* Captured output can be told to belong to an item only if the host takes all of it before the
     * next item begins. */
    bool in_step;
    bool in_order;  /* progress of an item is taken before its record */
    bool take_time; /* somebody wants to know how long items take */
};

struct fc_map_grant {
    size_t first;
    uint32_t number, count;
    size_t max_result;
};

struct fc_map_worker {
    struct fc_map_team *team;
    struct fc_map *map;
    struct forkcall_call *call; /* NULL: there is no child */
    int fd;                     /* of forkcall_fd, or its negative errno */
    size_t place;               /* of fd among those polled */
    struct fc_items_memory *memory;

    struct fc_map_grant grant[FC_ITEMS_GRANTS];
    uint32_t grants, grants_done; /* how many there were, and how many of them have ended */
    uint32_t limit;               /* how many items the child was granted */
    uint32_t ended;               /* and how many of them have ended */
    uint32_t last_count;          /* items of the last grant */
    size_t last_index;            /* of the item that has ended last */
    bool finishing;               /* the child was told to end */
    uint64_t idle_ns;             /* since when the child has had nothing to do; 0: it has */

    /* The log. */
    uint32_t taken;
    bool in_record, rejected;
    bool rejected_late; /* after the call had ended, so its report does not say so */
    struct fc_items_record record;
    uint64_t record_size; /* of the bytes that follow the head */
    uint64_t record_have; /* how many of them were taken */
    uint64_t record_ns;   /* how long the item took */
    char *to;             /* where they go; NULL: nowhere */
    int result_error;
    struct forkcall_buf message;

    struct forkcall_buf details; /* of the call */
    /* The time limit: number of the item that was at work when the host looked last, and since
     * when. */
    uint32_t watched;
    uint64_t since_ns, looked_ns;
};

/* Starts a child and grants it its first items. The worker has no call afterwards if there is no
 * memory for one: then the answer is a negative errno, and *step says for what. */
int fc_map_worker_start(struct fc_map_worker *worker, struct fc_map_range range, const char **step);

/* The most items from range's first on that one grant can have. */
size_t fc_map_worker_fits(struct fc_map_worker *worker, struct fc_map_range range);
/* Grants the items, as many as fc_map_worker_fits has said at most. */
void fc_map_worker_grant(struct fc_map_worker *worker, struct fc_map_range range);

/* How many items the child has been granted and has not begun, as far as it tells the truth. */
size_t fc_map_worker_waiting(const struct fc_map_worker *worker);
/* Takes back items that the child has not begun: half of them, or all of the last grant's. */
struct fc_map_range fc_map_worker_take_back(struct fc_map_worker *worker, bool all);

/* How long an item takes, as the child says; 0: not known. */
uint32_t fc_map_worker_item_ns(const struct fc_map_worker *worker);

/* Has the child end, once its items have ended. */
void fc_map_worker_finish(struct fc_map_worker *worker);

/* In a fork of this host, which does not have the memory that the host shares with the child: the
 * item that is at work is lost to this process. */
void fc_map_worker_forget(struct fc_map_worker *worker);

/* The log holds something that was not taken. */
bool fc_map_worker_has_news(const struct fc_map_worker *worker);

/* Takes what the child has to say, and moves the call on. True: the call is done. */
bool fc_map_worker_serve(struct fc_map_worker *worker);

/* After that: ends the call, and gives its report. The child was at one of its items, or should
 * have been, if *at_work is set: then that item has ended with it. The ranges of the other items
 * that the child was granted are put to rest[0] and rest[1]. */
void fc_map_worker_end(struct fc_map_worker *worker, bool others_run, bool *no_room,
                       struct fc_map_range rest[FC_ITEMS_GRANTS]);

#endif
