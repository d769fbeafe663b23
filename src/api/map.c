/* HOST: forkcall_map: runs many calls under one poll(2), a limited number at once. Calls without a
 * descriptor are asked in turns. */
#include "api/map_arguments.h"

#include "base/io.h"
#include "base/poll_fds.h"
#include "base/report_message.h"
#include "base/utf8.h"
#include "call/options.h"
#include "child/finish.h"
#include "child/inline.h"
#include "os/cpus.h"
#include "result/buf.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A call without a descriptor is asked again after 1, 2, 4 … ms, as long as nothing happens. */
#define TURN_MAX_MS 16

enum stop {
    STOP_NOT,
    STOP_FAILURE, /* by stop_at_failure */
    STOP_CANCEL,
};

struct slot {
    struct map *map;
    size_t index;               /* of the item */
    struct forkcall_call *call; /* NULL: the slot is free */
    int fd;                     /* of forkcall_fd, or its negative errno */
    size_t place;               /* of fd among those polled */
    struct slot *next_free;
};

struct map {
    forkcall_fn *fn;
    const char *items;
    size_t item_size, count;
    struct forkcall_buf *results;
    struct forkcall_report *reports;
    struct forkcall_map_options options; /* call: what all items have in common */
    int cancel_fd;                       /* the map's, not the calls'; -1: none */

    size_t slot_count;
    struct slot *slots, *free;
    struct pollfd *fds; /* room for the slots and cancel_fd */
    /* Items that found no room, to be started again; never more than there are slots. */
    size_t *again;
    size_t again_count;

    size_t next; /* the first item that was not tried yet */
    size_t running, ended;
    bool full;   /* there was no room for another call; there may be once one has ended */
    bool quiet;  /* a callback has asked to cancel: no more callbacks are called */
    bool cut;    /* an item was canceled or not started */
    int turn_ms; /* how long to rest between two turns */
    enum stop stop;

    uint64_t start_ns;
    struct forkcall_report first; /* of the first item, in time, that was not OK */
    struct forkcall_report total; /* usage, hazards and method of all; ran: did any run? */
};

/* ---- Arguments ------------------------------------------------------------------------------- */

static int on_progress(void *user, double done, double total, const char *note);
static int on_output(void *user, int fd, const char *data, size_t size);

/* Prepares the options that the calls of all items share, and checks them. */
static const char *prepare_call(struct map *map)
{
    struct forkcall_options *call = &map->options.call;
    /* During the check, this buffer stands for the details of any item. */
    struct forkcall_buf any = FORKCALL_BUF_INIT;
    call->progress = map->options.progress != NULL ? on_progress : NULL;
    call->output = map->options.output != NULL ? on_output : NULL;
    call->details = map->options.details != NULL ? &any : NULL;
    const char *wrong = fc_options_check(map->fn, NULL, 0, NULL, call);
    if (wrong == NULL)
        wrong = fc_options_from_environment(call);
    if (wrong == NULL && map->item_size == FORKCALL_BY_POINTER &&
        (call->method == FORKCALL_SERVER || call->method == FORKCALL_SPAWN))
        wrong = "item_size: FORKCALL_BY_POINTER means nothing to another program's memory";
    map->cancel_fd = call->cancel_fd_plus_one - 1;
    call->cancel_fd_plus_one = 0;
    call->details = NULL;
    return wrong;
}

static const char *check(struct map *map)
{
    const char *wrong = fc_map_check(map->items, map->item_size, map->count, map->results, &map->options);
    return wrong != NULL ? wrong : prepare_call(map);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void free_memory(struct map *map)
{
    free(map->slots);
    free(map->fds);
    free(map->again);
}

static bool get_memory(struct map *map)
{
    const size_t processes = map->options.processes > 0 ? map->options.processes : fc_cpus_count();
    map->slot_count = processes < map->count ? processes : map->count;
    /* One element more than needed, because calloc may answer a request for 0 bytes by NULL. */
    map->slots = calloc(map->slot_count + 1, sizeof *map->slots);
    map->fds = calloc(map->slot_count + 1, sizeof *map->fds);
    map->again = calloc(map->slot_count + 1, sizeof *map->again);
    if (map->slots == NULL || map->fds == NULL || map->again == NULL)
        return false;
    for (size_t i = map->slot_count; i-- > 0;) {
        map->slots[i].map = map;
        map->slots[i].next_free = map->free;
        map->free = &map->slots[i];
    }
    return true;
}

/* ---- Stopping -------------------------------------------------------------------------------- */

/* A cancel counts also after a failure: it may come from the callback that is told of the
 * failure. */
static void stop(struct map *map, enum stop cause)
{
    const bool first = map->stop == STOP_NOT;
    if (first || cause == STOP_CANCEL)
        map->stop = cause;
    if (!first)
        return;
    for (size_t i = 0; i < map->slot_count; i++)
        if (map->slots[i].call != NULL)
            forkcall_cancel(map->slots[i].call);
}

static void look_for_cancel(struct map *map)
{
    if (map->cancel_fd >= 0 && map->stop != STOP_CANCEL && fc_poll_says(map->cancel_fd, POLLIN))
        stop(map, STOP_CANCEL);
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

/* Called after a callback. True: it has canceled the map, or an INLINE call whose function calls
 * this map. */
static bool canceled(struct map *map, int answer_of_callback)
{
    if (!fc_callback_leave() && answer_of_callback == 0)
        return false;
    map->quiet = true;
    stop(map, STOP_CANCEL);
    return true;
}

static int on_progress(void *user, double done, double total, const char *note)
{
    const struct slot *slot = user;
    const struct forkcall_map_options *options = &slot->map->options;
    if (slot->map->quiet)
        return 0;
    fc_callback_enter();
    return canceled(slot->map, options->progress(options->user, slot->index, done, total, note));
}

static int on_output(void *user, int fd, const char *data, size_t size)
{
    const struct slot *slot = user;
    const struct forkcall_map_options *options = &slot->map->options;
    if (slot->map->quiet)
        return 0;
    fc_callback_enter();
    return canceled(slot->map, options->output(options->user, slot->index, fd, data, size));
}

static void tell(struct map *map, size_t index, const struct forkcall_report *report)
{
    const struct forkcall_map_options *options = &map->options;
    if (options->item_done == NULL || map->quiet)
        return;
    fc_callback_enter();
    canceled(map, options->item_done(options->user, index, report, map->ended, map->count));
}

/* ---- An item --------------------------------------------------------------------------------- */

static void add_to_total(struct map *map, const struct forkcall_report *report)
{
    struct forkcall_report *total = &map->total;
    total->method = report->method;
    total->hazards |= report->hazards;
    if (report->ran == FORKCALL_RAN_NO)
        return;
    if (total->ran != FORKCALL_RAN_YES)
        total->ran = report->ran;
    total->usage_known = total->usage_known && report->usage_known;
    total->user_ns += report->user_ns;
    total->system_ns += report->system_ns;
    if (report->max_rss_bytes > total->max_rss_bytes)
        total->max_rss_bytes = report->max_rss_bytes;
}

/* The size of an item's message that leaves room for " (item 18446744073709551615)". */
static int item_message_size(const struct forkcall_report *report)
{
    return (int)fc_utf8_cut(report->message, strlen(report->message), sizeof report->message - 1 - 28);
}

static void item_ended(struct map *map, size_t index, const struct forkcall_report *report)
{
    map->ended++;
    add_to_total(map, report);
    if (map->reports != NULL)
        map->reports[index] = *report;
    if (report->status != FORKCALL_OK && map->first.status == FORKCALL_OK) {
        map->first = *report;
        fc_report_message(&map->first, "%.*s (item %zu)", item_message_size(report), report->message, index);
    }
    map->cut = map->cut || report->status == FORKCALL_CANCELED;
    if (report->status != FORKCALL_OK && map->options.stop_at_failure)
        stop(map, STOP_FAILURE);
    tell(map, index, report);
}

static struct forkcall_report not_started(const struct map *map, int error)
{
    struct forkcall_report report;
    memset(&report, 0, sizeof report);
    report.status = FORKCALL_NOT_STARTED;
    report.ran = FORKCALL_RAN_NO;
    report.code = error;
    report.wait_status = -1;
    report.method = map->total.method;
    report.fn = map->fn;
    return report;
}

static void clear_answer(struct map *map, size_t index)
{
    if (map->results != NULL)
        fc_buf_clear(&map->results[index]);
    if (map->options.details != NULL)
        fc_buf_clear(&map->options.details[index]);
}

/* The call failed for want of something that running calls hold and will give back. */
static bool found_no_room(const struct forkcall_report *report)
{
    return report->status == FORKCALL_NOT_STARTED && report->ran == FORKCALL_RAN_NO &&
           (report->code == EMFILE || report->code == ENFILE || report->code == EAGAIN || report->code == ENOMEM);
}

static void finish_item(struct map *map, struct slot *slot)
{
    struct forkcall_report report;
    if (slot->call != NULL) {
        report = forkcall_finish(slot->call);
    } else {
        report = not_started(map, ENOMEM);
        fc_report_message(&report, "memory for the call: %s", strerror(ENOMEM));
        clear_answer(map, slot->index);
    }
    slot->call = NULL;
    slot->next_free = map->free;
    map->free = slot;
    map->running--;
    if (found_no_room(&report) && map->running > 0 && map->stop == STOP_NOT) {
        map->again[map->again_count++] = slot->index;
        map->full = true;
        return;
    }
    map->full = false;
    item_ended(map, slot->index, &report);
}

static const void *args_of(const struct map *map, size_t index)
{
    const void *args;
    if (map->item_size == 0 || map->items == NULL)
        return map->items;
    if (map->item_size != FORKCALL_BY_POINTER)
        return map->items + index * map->item_size;
    memcpy(&args, map->items + index * sizeof args, sizeof args);
    return args;
}

static void start_item(struct map *map)
{
    struct slot *slot = map->free;
    struct forkcall_options options = map->options.call;
    map->free = slot->next_free;
    map->running++;
    slot->index = map->again_count > 0 ? map->again[--map->again_count] : map->next++;
    slot->fd = -EAGAIN;
    options.user = slot;
    options.details = map->options.details != NULL ? &map->options.details[slot->index] : NULL;
    const int r = forkcall_start(&slot->call, map->fn, args_of(map, slot->index), map->item_size,
                                 map->results != NULL ? &map->results[slot->index] : NULL, &options);
    /* A call by INLINE, or one that could not start, is done now. */
    if (r < 0 || forkcall_wait(slot->call, 0) != 0)
        finish_item(map, slot);
}

/* ---- All items ------------------------------------------------------------------------------- */

static void start_items(struct map *map)
{
    look_for_cancel(map);
    while (map->stop == STOP_NOT && !map->full && map->free != NULL &&
           (map->again_count > 0 || map->next < map->count)) {
        start_item(map);
        look_for_cancel(map);
    }
}

/* Fills in the descriptors to wait for. True: a running call has none, and is looked at by a
 * timer. */
static bool fill_fds(struct map *map, nfds_t *count)
{
    bool some_without = false;
    *count = 0;
    if (map->cancel_fd >= 0 && map->stop != STOP_CANCEL)
        map->fds[(*count)++] = (struct pollfd){.fd = map->cancel_fd, .events = POLLIN};
    for (size_t i = 0; i < map->slot_count; i++) {
        struct slot *slot = &map->slots[i];
        if (slot->call == NULL)
            continue;
        if (slot->fd < 0 && slot->fd != -ENOTSUP)
            slot->fd = forkcall_fd(slot->call);
        if (slot->fd < 0) {
            some_without = true;
            continue;
        }
        slot->place = *count;
        map->fds[(*count)++] = (struct pollfd){.fd = slot->fd, .events = POLLIN};
    }
    return some_without;
}

/* Waits until a call has something to do, or it is time for another turn. */
static void wait_for_calls(struct map *map)
{
    nfds_t count;
    const size_t ended = map->ended;
    const bool in_turns = fill_fds(map, &count);
    const int r = fc_poll(map->fds, count, in_turns ? map->turn_ms : -1);
    /* poll(2) itself failed (ENOMEM, RLIMIT_NOFILE 0): every call is asked after a pause. */
    const bool ask_all = r < 0 && errno != EINTR;
    if (ask_all)
        fc_pause();
    for (size_t i = 0; i < map->slot_count; i++) {
        struct slot *slot = &map->slots[i];
        if (slot->call == NULL)
            continue;
        const bool look = ask_all || slot->fd < 0 || (r > 0 && map->fds[slot->place].revents != 0);
        if (look && forkcall_wait(slot->call, 0) != 0)
            finish_item(map, slot);
    }
    map->turn_ms = map->ended > ended ? 1 : map->turn_ms < TURN_MAX_MS ? map->turn_ms * 2 : TURN_MAX_MS;
}

/* The only call that runs, if no cancel_fd is watched: then forkcall_wait can wait for it. */
static struct slot *only_one(struct map *map)
{
    struct slot *slot = map->slots;
    if (map->running > 1 || (map->cancel_fd >= 0 && map->stop != STOP_CANCEL))
        return NULL;
    while (slot->call == NULL)
        slot++;
    return slot;
}

static void leave_out(struct map *map, size_t index)
{
    map->cut = true;
    clear_answer(map, index);
    if (map->reports == NULL)
        return;
    map->reports[index] = not_started(map, ECANCELED);
    fc_report_message(&map->reports[index], map->stop == STOP_FAILURE ? "not started: another item had failed"
                                                                      : "not started: canceled by the caller");
}

static void run(struct map *map)
{
    map->turn_ms = 1;
    for (;;) {
        start_items(map);
        if (map->running == 0)
            break;
        struct slot *only = only_one(map);
        if (only == NULL)
            wait_for_calls(map);
        else if (forkcall_wait(only->call, -1) != 0)
            finish_item(map, only);
    }
    while (map->again_count > 0)
        leave_out(map, map->again[--map->again_count]);
    while (map->next < map->count)
        leave_out(map, map->next++);
}

static struct forkcall_report report_of_all(const struct map *map)
{
    struct forkcall_report report = map->first;
    if (map->stop == STOP_CANCEL && map->cut) {
        report = map->total;
        report.status = FORKCALL_CANCELED;
        fc_report_message(&report, "canceled by the caller");
    }
    report.ran = map->total.ran;
    report.method = map->total.method;
    report.hazards = map->total.hazards;
    report.elapsed_ns = fc_now_ns() - map->start_ns;
    report.usage_known = map->total.usage_known;
    report.user_ns = map->total.user_ns;
    report.system_ns = map->total.system_ns;
    report.max_rss_bytes = map->total.max_rss_bytes;
    return report;
}

static struct forkcall_report run_checked(struct map *map)
{
    struct forkcall_report report;
    const char *wrong = check(map);
    if (wrong != NULL) {
        report = not_started(map, EINVAL);
        report.elapsed_ns = fc_now_ns() - map->start_ns;
        fc_report_message(&report, "%s", wrong);
        return report;
    }
    if (get_memory(map)) {
        run(map);
        report = report_of_all(map);
    } else {
        report = not_started(map, ENOMEM);
        report.elapsed_ns = fc_now_ns() - map->start_ns;
        fc_report_message(&report, "memory for the map: %s", strerror(ENOMEM));
    }
    free_memory(map);
    return report;
}

struct forkcall_report forkcall_map(forkcall_fn *fn, const void *items, size_t item_size, size_t count,
                                    struct forkcall_buf *results, struct forkcall_report *reports,
                                    const struct forkcall_map_options *options)
{
    struct map map;
    const int error = errno;
    int state = PTHREAD_CANCEL_ENABLE;
    fc_child_check_escape(__builtin_frame_address(0));
    memset(&map, 0, sizeof map);
    if (options != NULL)
        map.options = *options;
    map.fn = fn;
    map.items = items;
    map.item_size = item_size;
    map.count = count;
    map.results = results;
    map.reports = reports;
    map.start_ns = fc_now_ns();
    map.total.method = map.options.call.method;
    map.total.ran = FORKCALL_RAN_NO;
    map.total.wait_status = -1;
    map.total.usage_known = true;
    map.total.fn = fn;
    map.first = map.total;
    /* A thread that is cancelled inside a map would leak its children. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    const struct forkcall_report report = run_checked(&map);
    pthread_setcancelstate(state, NULL);
    errno = error;
    return report;
}
