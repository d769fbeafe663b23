/* HOST: A map while it runs: what its two ways of running items share. */
#ifndef FC_API_MAP_STATE_H
#define FC_API_MAP_STATE_H

#include <forkcall.h>

/* A map looks at calls that have no descriptor again after 1, 2, 4 … ms, as long as nothing
 * happens. */
#define FC_MAP_TURN_MAX_MS 16

enum fc_map_stop {
    FC_MAP_STOP_NOT,
    FC_MAP_STOP_FAILURE, /* by stop_at_failure */
    FC_MAP_STOP_CANCEL,
};

struct fc_map {
    forkcall_fn *fn;
    const char *items;
    size_t item_size, count;
    struct forkcall_buf *results;
    struct forkcall_report *reports;
    struct forkcall_map_options options; /* call: what all items have in common */
    int cancel_fd;                       /* the map's, not the calls'; -1: none */
    size_t processes;                    /* how many children there are at once, at most */

    /* Cancels the items that run; whoever runs them sets it. */
    void (*cancel_running)(struct fc_map *map);
    /* Called in a process that the host's code has forked, and in which the map goes on: none of
     * the children is this process's. */
    void (*forget_running)(struct fc_map *map);
    void *runner;        /* for these two */
    unsigned generation; /* fc_fds_generation() in this process */

    size_t next;  /* the first item that was not tried yet */
    size_t ended; /* how many items have an outcome */
    bool quiet;   /* a callback has asked to cancel: no more callbacks are called */
    bool cut;     /* an item was canceled or not started */
    enum fc_map_stop stop;

    uint64_t start_ns;
    struct forkcall_report first; /* of the first item, in time, that was not OK */
    struct forkcall_report total; /* usage, hazards and method of all; ran: did any run? */
};

/* What item i gets as its arguments. */
const void *fc_map_args_of(const struct fc_map *map, size_t index);

/* Ends the map early. A cancel counts also after a failure. */
void fc_map_stop(struct fc_map *map, enum fc_map_stop cause);
/* Stops the map if its descriptor says so. */
void fc_map_look_for_cancel(struct fc_map *map);

/* Called after the host's code has run: it may have forked this process. */
void fc_map_look_for_fork(struct fc_map *map);

/* Call the map's callbacks, unless one of them has asked to cancel. The answer is that of a
 * forkcall_progress_fn. */
int fc_map_tell_progress(struct fc_map *map, size_t index, double done, double total, const char *note);
int fc_map_tell_output(struct fc_map *map, size_t index, int fd, const char *data, size_t size);

/* Adds the usage, hazards and method of a call. */
void fc_map_add_to_total(struct fc_map *map, const struct forkcall_report *report);
/* An item has its outcome. */
void fc_map_item_ended(struct fc_map *map, size_t index, const struct forkcall_report *report);
/* An item is left out, because the map was stopped. */
void fc_map_leave_out(struct fc_map *map, size_t index);

/* Empties the item's result and details. */
void fc_map_clear_answer(struct fc_map *map, size_t index);

/* A report of NOT_STARTED, without a message. */
struct forkcall_report fc_map_not_started(const struct fc_map *map, int error);
/* The call failed for want of something that running calls hold and will give back. */
bool fc_map_found_no_room(const struct forkcall_report *report);

#endif
