/* HOST: Runs many calls under one poll(2), a limited number at once. Calls without a descriptor are
 * asked in turns. */
#include "api/map_calls.h"

#include "base/io.h"
#include "base/poll_fds.h"
#include "base/report_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct calls;

struct slot {
    struct calls *calls;
    size_t index;               /* of the item */
    struct forkcall_call *call; /* NULL: the slot is free */
    int fd;                     /* of forkcall_fd, or its negative errno */
    size_t place;               /* of fd among those polled */
    struct slot *next_free;
};

struct calls {
    struct fc_map *map;
    size_t slot_count;
    struct slot *slots, *free;
    struct pollfd *fds; /* room for the slots and cancel_fd */
    /* Items that found no room, to be started again; never more than there are slots. */
    size_t *again;
    size_t again_count;
    size_t running;
    bool full;   /* there was no room for another call; there may be once one has ended */
    int turn_ms; /* how long to rest between two turns */
};

/* ---- Callbacks ------------------------------------------------------------------------------- */

static int on_progress(void *user, double done, double total, const char *note)
{
    const struct slot *slot = user;
    return fc_map_tell_progress(slot->calls->map, slot->index, done, total, note);
}

static int on_output(void *user, int fd, const char *data, size_t size)
{
    const struct slot *slot = user;
    return fc_map_tell_output(slot->calls->map, slot->index, fd, data, size);
}

void fc_map_calls_set_callbacks(struct fc_map *map)
{
    map->options.call.progress = map->options.progress != NULL ? on_progress : NULL;
    map->options.call.output = map->options.output != NULL ? on_output : NULL;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void free_memory(struct calls *calls)
{
    free(calls->slots);
    free(calls->fds);
    free(calls->again);
}

static bool get_memory(struct calls *calls)
{
    const size_t count = calls->slot_count;
    /* One element more than needed, because calloc may answer a request for 0 bytes by NULL. */
    calls->slots = calloc(count + 1, sizeof *calls->slots);
    calls->fds = calloc(count + 1, sizeof *calls->fds);
    calls->again = calloc(count + 1, sizeof *calls->again);
    if (calls->slots == NULL || calls->fds == NULL || calls->again == NULL)
        return false;
    for (size_t i = count; i-- > 0;) {
        calls->slots[i].calls = calls;
        calls->slots[i].next_free = calls->free;
        calls->free = &calls->slots[i];
    }
    return true;
}

static void cancel_running(struct fc_map *map)
{
    struct calls *calls = map->runner;
    for (size_t i = 0; i < calls->slot_count; i++)
        if (calls->slots[i].call != NULL)
            forkcall_cancel(calls->slots[i].call);
}

/* ---- An item --------------------------------------------------------------------------------- */

static void finish_item(struct calls *calls, struct slot *slot)
{
    struct forkcall_report report;
    if (slot->call != NULL) {
        report = forkcall_finish(slot->call);
    } else {
        report = fc_map_not_started(calls->map, ENOMEM);
        fc_report_message(&report, "memory for the call: %s", strerror(ENOMEM));
        fc_map_clear_answer(calls->map, slot->index);
    }
    slot->call = NULL;
    slot->next_free = calls->free;
    calls->free = slot;
    calls->running--;
    if (fc_map_found_no_room(&report) && calls->running > 0 && calls->map->stop == FC_MAP_STOP_NOT) {
        calls->again[calls->again_count++] = slot->index;
        calls->full = true;
        return;
    }
    calls->full = false;
    fc_map_add_to_total(calls->map, &report);
    fc_map_item_ended(calls->map, slot->index, &report);
}

static void start_item(struct calls *calls)
{
    struct fc_map *map = calls->map;
    struct slot *slot = calls->free;
    struct forkcall_options options = map->options.call;
    calls->free = slot->next_free;
    calls->running++;
    slot->index = calls->again_count > 0 ? calls->again[--calls->again_count] : map->next++;
    slot->fd = -EAGAIN;
    options.user = slot;
    options.details = map->options.details != NULL ? &map->options.details[slot->index] : NULL;
    const int r = forkcall_start(&slot->call, map->fn, fc_map_args_of(map, slot->index), map->item_size,
                                 map->results != NULL ? &map->results[slot->index] : NULL, &options);
    /* A call by INLINE, or one that could not start, is done now. */
    if (r < 0 || forkcall_wait(slot->call, 0) != 0)
        finish_item(calls, slot);
}

/* ---- All items ------------------------------------------------------------------------------- */

static void start_items(struct calls *calls)
{
    fc_map_look_for_cancel(calls->map);
    while (calls->map->stop == FC_MAP_STOP_NOT && !calls->full && calls->free != NULL &&
           (calls->again_count > 0 || calls->map->next < calls->map->count)) {
        start_item(calls);
        fc_map_look_for_cancel(calls->map);
    }
}

/* Fills in the descriptors to wait for. True: a running call has none, and is looked at by a
 * timer. */
static bool fill_fds(struct calls *calls, nfds_t *count)
{
    bool some_without = false;
    *count = 0;
    if (calls->map->cancel_fd >= 0 && calls->map->stop != FC_MAP_STOP_CANCEL)
        calls->fds[(*count)++] = (struct pollfd){.fd = calls->map->cancel_fd, .events = POLLIN};
    for (size_t i = 0; i < calls->slot_count; i++) {
        struct slot *slot = &calls->slots[i];
        if (slot->call == NULL)
            continue;
        if (slot->fd < 0 && slot->fd != -ENOTSUP)
            slot->fd = forkcall_fd(slot->call);
        if (slot->fd < 0) {
            some_without = true;
            continue;
        }
        slot->place = *count;
        calls->fds[(*count)++] = (struct pollfd){.fd = slot->fd, .events = POLLIN};
    }
    return some_without;
}

/* Waits until a call has something to do, or it is time for another turn. */
static void wait_for_calls(struct calls *calls)
{
    nfds_t count;
    const size_t ended = calls->map->ended;
    const bool in_turns = fill_fds(calls, &count);
    const int r = fc_poll(calls->fds, count, in_turns ? calls->turn_ms : -1);
    /* poll(2) itself failed (ENOMEM, RLIMIT_NOFILE 0): every call is asked after a pause. */
    const bool ask_all = r < 0 && errno != EINTR;
    if (ask_all)
        fc_pause();
    for (size_t i = 0; i < calls->slot_count; i++) {
        struct slot *slot = &calls->slots[i];
        if (slot->call == NULL)
            continue;
        const bool look = ask_all || slot->fd < 0 || (r > 0 && calls->fds[slot->place].revents != 0);
        if (look && forkcall_wait(slot->call, 0) != 0)
            finish_item(calls, slot);
    }
    calls->turn_ms = calls->map->ended > ended             ? 1
                     : calls->turn_ms < FC_MAP_TURN_MAX_MS ? calls->turn_ms * 2
                                                           : FC_MAP_TURN_MAX_MS;
}

/* The only call that runs, if no cancel_fd is watched: then forkcall_wait can wait for it. */
static struct slot *only_one(struct calls *calls)
{
    struct slot *slot = calls->slots;
    if (calls->running > 1 || (calls->map->cancel_fd >= 0 && calls->map->stop != FC_MAP_STOP_CANCEL))
        return NULL;
    while (slot->call == NULL)
        slot++;
    return slot;
}

static void run(struct calls *calls)
{
    calls->turn_ms = 1;
    for (;;) {
        start_items(calls);
        if (calls->running == 0)
            break;
        struct slot *only = only_one(calls);
        if (only == NULL)
            wait_for_calls(calls);
        else if (forkcall_wait(only->call, -1) != 0)
            finish_item(calls, only);
    }
    while (calls->again_count > 0)
        fc_map_leave_out(calls->map, calls->again[--calls->again_count]);
    while (calls->map->next < calls->map->count)
        fc_map_leave_out(calls->map, calls->map->next++);
}

int fc_map_calls_run(struct fc_map *map)
{
    struct calls calls = {.map = map, .slot_count = map->processes};
    const bool has_memory = get_memory(&calls);
    map->runner = &calls;
    map->cancel_running = cancel_running;
    if (has_memory)
        run(&calls);
    map->cancel_running = NULL;
    free_memory(&calls);
    return has_memory ? 0 : -ENOMEM;
}
