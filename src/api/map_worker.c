/* HOST: A child that serves items of a map: starts it, grants it items, and ends it. */
#include "api/map_worker.h"

#include "api/call.h"
#include "api/map_log.h"
#include "base/descriptors.h"
#include "base/io.h"
#include "base/report_message.h"
#include "base/shared_memory.h"
#include "base/shared_wait.h"
#include "child/run_items.h"
#include "result/buf.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- Callbacks of the call ------------------------------------------------------------------- */

/* Items that the child has ended before it reported this progress end first. Progress of an item
 * whose end was told already is dropped. */
static int on_progress(void *user, double done, double total, const char *note)
{
    struct fc_map_worker *worker = user;
    const uint64_t number = worker->call->reply.progress.numbers.item - 1;
    if (number >= worker->limit)
        return 0;
    fc_map_log_take_before(worker, (uint32_t)number);
    if (worker->ended != number)
        return 0;
    return fc_map_tell_progress(worker->map, fc_map_log_index(worker), done, total, note);
}

static int on_output(void *user, int fd, const char *data, size_t size)
{
    struct fc_map_worker *worker = user;
    const size_t index = worker->ended < worker->limit ? fc_map_log_index(worker) : worker->last_index;
    return fc_map_tell_output(worker->map, index, fd, data, size);
}

/* ---- Granting -------------------------------------------------------------------------------- */

static size_t max_result_of(const struct fc_map *map, size_t index)
{
    const size_t of_options = map->options.call.max_result == 0 ? PTRDIFF_MAX : map->options.call.max_result;
    const size_t of_buf = map->results != NULL ? fc_buf_limit(&map->results[index]) : PTRDIFF_MAX;
    return of_options < of_buf ? of_options : of_buf;
}

/* How many grants have not ended. */
static uint32_t under_way(struct fc_map_worker *worker)
{
    if (worker->ended == worker->limit)
        return 0;
    (void)fc_map_log_grant(worker); /* looks which have ended */
    return worker->grants - worker->grants_done;
}

size_t fc_map_worker_fits(struct fc_map_worker *worker, struct fc_map_range range)
{
    const struct fc_map_team *team = worker->team;
    const size_t max_result = max_result_of(team->map, range.first);
    size_t most = team->items_per_child - worker->limit;
    size_t fits = 1;
    if (under_way(worker) >= team->depth || most == 0)
        return 0;
    if (team->method != FORKCALL_FORK && team->layout.stride > 0 && team->layout.area_size / team->layout.stride < most)
        most = (size_t)(team->layout.area_size / team->layout.stride);
    if (range.count < most)
        most = range.count;
    while (fits < most && max_result_of(team->map, range.first + fits) == max_result)
        fits++;
    return fits;
}

static void copy_items(const struct fc_map_worker *worker, struct fc_map_range range)
{
    const struct fc_map *map = worker->map;
    const struct fc_items_layout *layout = &worker->team->layout;
    const uint64_t at = layout->areas_at + worker->grants % FC_ITEMS_GRANTS * layout->area_size;
    char *to = (char *)worker->memory + at;
    const char *from = map->items + range.first * map->item_size;
    if (map->item_size == layout->stride) {
        memcpy(to, from, range.count * map->item_size);
        return;
    }
    for (size_t i = 0; i < range.count; i++)
        memcpy(to + i * layout->stride, from + i * map->item_size, map->item_size);
}

static void wake(const struct fc_map_worker *worker)
{
    struct fc_items_memory *memory = worker->memory;
    if (atomic_load(&memory->child_waits) != 0 && atomic_exchange(&memory->child_waits, 0) != 0)
        fc_shared_wake(&memory->child_waits);
}

/* The child may begin all that it was granted. */
static void let_go_on(const struct fc_map_worker *worker)
{
    atomic_store(&worker->memory->limit, worker->limit);
    wake(worker);
}

static uint64_t timeout_ns(const struct fc_map_worker *worker)
{
    return (uint64_t)worker->map->options.call.timeout_ms * 1000000U;
}

static void move_deadline(struct fc_map_worker *worker, uint64_t deadline_ns)
{
    if (worker->rejected) /* the call ends, or is another process's */
        return;
    fc_call_move_deadline(worker->call, deadline_ns);
    fc_call_rearm(worker->call, false);
}

/* The time of the next item begins now, if the child has had none. */
static void begin_time(struct fc_map_worker *worker)
{
    if (timeout_ns(worker) == 0 || worker->call == NULL)
        return;
    worker->watched = worker->ended;
    worker->since_ns = worker->looked_ns = fc_now_ns();
    move_deadline(worker, worker->since_ns + timeout_ns(worker));
}

void fc_map_worker_grant(struct fc_map_worker *worker, struct fc_map_range range)
{
    struct fc_items_memory *memory = worker->memory;
    const uint32_t count = (uint32_t)range.count;
    const uint32_t i = worker->grants % FC_ITEMS_GRANTS;
    const size_t max_result = max_result_of(worker->map, range.first);
    if (worker->team->method != FORKCALL_FORK && worker->map->item_size > 0 && worker->map->items != NULL)
        copy_items(worker, range);
    if (worker->ended == worker->limit)
        begin_time(worker);
    worker->grant[i] =
        (struct fc_map_grant){.first = range.first, .number = worker->limit, .count = count, .max_result = max_result};
    memory->grant[i].first = range.first;
    memory->grant[i].max_result = max_result;
    memory->grant[i].tell_at = worker->limit + count - 1;
    atomic_store(&memory->grant[i].number, worker->limit);
    worker->grants++;
    worker->limit += count;
    worker->last_count = count;
    atomic_store(&memory->grants, worker->grants);
    let_go_on(worker);
}

/* ---- Taking back ----------------------------------------------------------------------------- */

/* What the child says it has begun, within reason. */
static uint32_t begun(const struct fc_map_worker *worker)
{
    const uint32_t says = atomic_load(&worker->memory->begun);
    /* An item of which a part of the record was taken has begun, whatever the child says now: given
     * to another child, it would end twice. */
    const uint32_t least = worker->ended + (worker->in_record ? 1 : 0);
    return says < least ? least : says > worker->limit ? worker->limit : says;
}

size_t fc_map_worker_waiting(const struct fc_map_worker *worker)
{
    return worker->limit - begun(worker);
}

struct fc_map_range fc_map_worker_take_back(struct fc_map_worker *worker, bool all)
{
    struct fc_map_grant *last = &worker->grant[(worker->grants - 1) % FC_ITEMS_GRANTS];
    const uint32_t old = worker->limit;
    const uint32_t now = begun(worker);
    const uint32_t waiting = old - now;
    const uint32_t in_last = old - (now > last->number ? now : last->number);
    uint32_t wanted = all ? waiting : (waiting + 1) / 2;
    wanted = wanted < in_last ? wanted : in_last;
    if (wanted == 0)
        return (struct fc_map_range){0, 0};
    atomic_store(&worker->memory->limit, old - wanted);
    /* The child may have begun some of them before it could see the new limit. */
    const uint32_t meanwhile = begun(worker);
    worker->limit = meanwhile > old - wanted ? meanwhile : old - wanted;
    atomic_store(&worker->memory->limit, worker->limit);
    /* One that could see the lower limit waits, and the item that it may begin after all is its
     * own. */
    if (meanwhile > old - wanted)
        wake(worker);
    last->count = worker->limit - last->number;
    const struct fc_map_range range = {last->first + last->count, old - worker->limit};
    /* Without its last grant, more can be taken back of the one before. The child has not looked
     * into the last: it has begun none of its items. */
    if (last->count == 0 && worker->grants - worker->grants_done > 1)
        atomic_store(&worker->memory->grants, --worker->grants);
    return range;
}

uint32_t fc_map_worker_item_ns(const struct fc_map_worker *worker)
{
    return atomic_load_explicit(&worker->memory->item_ns, memory_order_relaxed);
}

void fc_map_worker_finish(struct fc_map_worker *worker)
{
    worker->finishing = true;
    atomic_store(&worker->memory->finish, 1);
    if (worker->ended == worker->limit)
        begin_time(worker);
    wake(worker);
}

/* Stands for memory that a fork has not inherited. */
static struct fc_items_memory not_inherited;

void fc_map_worker_forget(struct fc_map_worker *worker)
{
    worker->memory = &not_inherited;
    worker->rejected = true; /* so neither its log nor its time is looked at */
    worker->fd = -ENOTSUP;   /* was closed at the fork */
}

/* ---- Starting -------------------------------------------------------------------------------- */

static void fill_setup(const struct fc_map_worker *worker, struct fc_items_setup *setup, int fd)
{
    const struct fc_map_team *team = worker->team;
    const struct fc_map *map = worker->map;
    memset(setup, 0, sizeof *setup); /* the padding is sent to another process, too */
    setup->layout = team->layout;
    setup->item_size = map->item_size;
    setup->has_items = map->items != NULL;
    setup->realign = team->realign;
    setup->take_time = team->take_time;
    setup->drop_result = map->results == NULL;
    setup->fd = fd;
    if (team->method == FORKCALL_FORK) {
        setup->memory = worker->memory;
        setup->fn = map->fn;
        setup->items = map->items;
    } else {
        memcpy(&setup->name, &team->name, offsetof(struct fc_module_function, path) + team->name.path_size);
    }
}

/* The descriptors that the child gets: the caller's, and that of the shared memory. */
static int *add_to_keep_fds(struct forkcall_options *options, int fd)
{
    const size_t count = options->keep_fds_count;
    int *all = malloc((count + 1) * sizeof *all);
    if (all == NULL)
        return NULL;
    if (count > 0)
        memcpy(all, options->keep_fds, count * sizeof *all);
    all[count] = fd;
    options->keep_fds = all;
    options->keep_fds_count = count + 1;
    return all;
}

static int start_call(struct fc_map_worker *worker, int fd)
{
    const struct fc_map_team *team = worker->team;
    const struct fc_map *map = worker->map;
    struct fc_items_setup setup;
    struct forkcall_options options = map->options.call;
    size_t size = FORKCALL_BY_POINTER;
    int *keep = NULL;
    fill_setup(worker, &setup, fd);
    options.method = team->method;
    options.user = worker;
    options.reuse_child = false; /* the child is reused as it is */
    options.progress = map->options.progress != NULL ? on_progress : NULL;
    options.output = map->options.output != NULL ? on_output : NULL;
    options.details = map->options.details != NULL ? &worker->details : NULL;
    if (team->method != FORKCALL_FORK) {
        size = offsetof(struct fc_items_setup, name) + offsetof(struct fc_module_function, path) + team->name.path_size;
        keep = add_to_keep_fds(&options, fd);
        if (keep == NULL)
            return -ENOMEM;
    }
    const int r = fc_call_start_as(map->fn, &worker->call, fc_run_items, &setup, size, NULL, &options);
    free(keep);
    if (r < 0)
        worker->call = NULL;
    else
        fc_call_set_items(worker->call, &worker->memory->begun);
    return r;
}

static int open_memory(struct fc_map_worker *worker, struct fc_fds *fds)
{
    const size_t size = (size_t)worker->team->layout.size;
    fc_fds_lock();
    const int fd = fc_fd_above_streams(fc_shared_memory_open(size));
    fds->fd[FC_FD_ARGS] = fd < 0 ? -1 : fd;
    fc_fds_unlock();
    if (fd < 0)
        return fd;
    worker->memory = fc_shared_memory_map(fd, size);
    return worker->memory == NULL ? -ENOMEM : 0;
}

static void free_memory(struct fc_map_worker *worker)
{
    if (worker->memory != NULL && worker->memory != &not_inherited)
        munmap(worker->memory, (size_t)worker->team->layout.size);
    worker->memory = NULL;
    forkcall_buf_free(&worker->message);
    forkcall_buf_free(&worker->details);
}

/* The mapping of a fork is its own: other children of the host do not have it. */
static int start_in(struct fc_map_worker *worker, struct fc_map_range range, int fd)
{
    const struct fc_map_team *team = worker->team;
    if (team->method != FORKCALL_FORK)
        fc_shared_memory_hide(worker->memory, (size_t)team->layout.size, 1);
    fc_map_worker_grant(worker, range);
    const int r = start_call(worker, fd);
    if (team->method == FORKCALL_FORK)
        fc_shared_memory_hide(worker->memory, (size_t)team->layout.size, 1);
    return r;
}

int fc_map_worker_start(struct fc_map_worker *worker, struct fc_map_range range, const char **step)
{
    struct fc_map_team *team = worker->team;
    struct fc_fds fds;
    *worker = (struct fc_map_worker){.team = team, .map = team->map, .fd = -EAGAIN};
    *step = "memory for the call";
    fc_fds_init(&fds);
    int r = fc_fds_open(&fds);
    if (r == 0) {
        *step = "memory to share with the child";
        r = open_memory(worker, &fds);
    }
    if (r == 0 && team->method == FORKCALL_FORK)
        fc_fds_close(&fds, FC_FD_ARGS);
    if (r == 0) {
        *step = "memory for the call";
        worker->since_ns = worker->looked_ns = fc_now_ns();
        r = start_in(worker, range, fds.fd[FC_FD_ARGS]);
    }
    fc_fds_close_all(&fds);
    if (r < 0)
        free_memory(worker);
    return r;
}

/* ---- Running --------------------------------------------------------------------------------- */

static uint32_t written(const struct fc_map_worker *worker)
{
    return atomic_load_explicit(&worker->memory->written, memory_order_acquire);
}

bool fc_map_worker_has_news(const struct fc_map_worker *worker)
{
    return !worker->rejected && atomic_load(&worker->memory->written) != worker->taken;
}

/* How long ago the child has begun its last item, as it says. */
static uint64_t since_begun_ns(const struct fc_map_worker *worker, uint64_t now_ns)
{
    const uint32_t ms = (uint32_t)(now_ns / 1000000U) - atomic_load(&worker->memory->begun_ms);
    return (uint64_t)ms * 1000000U;
}

/* Takes what the child has said so far. Where the order matters, a record comes after what the item
 * had said before. */
static void take_all(struct fc_map_worker *worker)
{
    const struct fc_map_team *team = worker->team;
    const uint32_t upto = written(worker);
    if (team->in_step || team->in_order)
        fc_call_read_all(worker->call);
    fc_map_log_take(worker, upto);
}

/* Lets the child begin no item but the one that the host sees at work. False: it says that it has
 * begun another. */
static bool hold(const struct fc_map_worker *worker)
{
    atomic_store(&worker->memory->limit, worker->ended + 1);
    if (begun(worker) <= worker->ended + 1)
        return true;
    let_go_on(worker);
    return false;
}

/* True: the item that is at work, or the end of the child, has taken longer than it may, and the
 * child begins no other item. Of an item that the host has not seen at work the child says when it
 * began; it is believed as far as the host can have missed it. All that the child has said is taken
 * before, because the host's callbacks may take long, and their time is no item's. */
static bool is_late(struct fc_map_worker *worker)
{
    const struct forkcall_call *call = worker->call;
    bool denied = false; /* the child has said that the item has ended */
    while (!worker->rejected && call->stage == FC_STAGE_RUNNING && fc_now_ns() >= call->deadline_ns) {
        take_all(worker);
        if (worker->finishing)
            return true;
        if (worker->watched == worker->ended && worker->ended < worker->limit) {
            if (hold(worker) || denied)
                return true;
            denied = true; /* if it is true, the record has come */
            continue;
        }
        const uint64_t now = fc_now_ns();
        const uint64_t seen_ns = now - worker->looked_ns;
        const uint64_t ago_ns = since_begun_ns(worker, now);
        worker->since_ns = now - (ago_ns < seen_ns ? ago_ns : seen_ns);
        worker->watched = worker->ended;
        worker->looked_ns = now;
        denied = false;
        move_deadline(worker, worker->ended == worker->limit ? UINT64_MAX : worker->since_ns + timeout_ns(worker));
    }
    return false;
}

/* An item that answers in the grace of the options is the last of its child. */
static void time_out(struct fc_map_worker *worker)
{
    fc_call_time_out(worker->call);
    if (worker->call->stage == FC_STAGE_RUNNING) /* a debugger looks at the child */
        let_go_on(worker);
    else
        fc_map_worker_finish(worker);
}

bool fc_map_worker_serve(struct fc_map_worker *worker)
{
    fc_map_look_for_fork(worker->map);
    if (worker->memory == &not_inherited) /* nor are the call's descriptors */
        return true;
    take_all(worker);
    const bool late = is_late(worker);
    const bool is_over = forkcall_wait(worker->call, 0) != 0;
    fc_map_look_for_fork(worker->map);
    if (is_over || worker->memory == &not_inherited) {
        fc_map_log_take(worker, written(worker));
        return true;
    }
    if (late)
        time_out(worker);
    return false;
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* The report of a child that has not said how its item ended, and that ended at that time, is that
 * of the item. */
static void correct(const struct fc_map_worker *worker, bool at_work, uint64_t end_ns, struct forkcall_report *report)
{
    report->usage_known = false; /* it is that of all items of the child */
    report->user_ns = report->system_ns = report->max_rss_bytes = 0;
    if (at_work && since_begun_ns(worker, end_ns) < report->elapsed_ns)
        report->elapsed_ns = since_begun_ns(worker, end_ns);
    if (!at_work) {
        report->ran = FORKCALL_RAN_NO;
        if (report->status == FORKCALL_FAILED)
            report->status = FORKCALL_NOT_STARTED;
    }
    if (report->status == FORKCALL_OK) {
        report->status = FORKCALL_LOST;
        fc_report_message(report, "the child has ended without a word of this item");
    }
}

/* The call had ended by itself when the host saw what the child had written. */
static void tell_of_malformed(struct forkcall_report *report)
{
    char told[sizeof report->message];
    memcpy(told, report->message, sizeof told);
    fc_report_message(report, "%s; its reply was malformed", told);
}

static void end_item(struct fc_map_worker *worker, bool at_work, uint64_t end_ns, struct forkcall_report *report)
{
    struct fc_map *map = worker->map;
    const struct forkcall_buf nothing = FORKCALL_BUF_INIT;
    const size_t index = fc_map_log_index(worker);
    correct(worker, at_work, end_ns, report);
    if (worker->rejected_late)
        tell_of_malformed(report);
    fc_map_clear_answer(map, index);
    if (map->options.details != NULL)
        fc_details_deliver(&map->options.details[index], &worker->details, &nothing);
    worker->ended++;
    fc_map_item_ended(map, index, report);
}

/* What the child was granted and has not ended. */
static void give_back(struct fc_map_worker *worker, struct fc_map_range rest[FC_ITEMS_GRANTS])
{
    for (uint32_t i = 0; i < FC_ITEMS_GRANTS; i++) {
        rest[i] = (struct fc_map_range){0, 0};
        if (worker->ended == worker->limit)
            continue;
        const struct fc_map_grant *grant = fc_map_log_grant(worker);
        const uint32_t done = worker->ended - grant->number;
        rest[i] = (struct fc_map_range){grant->first + done, grant->count - done};
        worker->ended += grant->count - done;
    }
}

void fc_map_worker_end(struct fc_map_worker *worker, bool others_run, bool *no_room,
                       struct fc_map_range rest[FC_ITEMS_GRANTS])
{
    struct fc_map *map = worker->map;
    const uint64_t start_ns = worker->call->start_ns;
    struct forkcall_report report = forkcall_finish(worker->call);
    /* A child that was rejected may have lied about what it was doing. */
    const bool at_work = worker->in_record || worker->rejected || atomic_load(&worker->memory->begun) != worker->ended;
    worker->call = NULL;
    fc_map_add_to_total(map, &report);
    *no_room = worker->ended == 0 && others_run && map->stop == FC_MAP_STOP_NOT && fc_map_found_no_room(&report);
    /* A child that ends between two items has others run in the next child. If it has not even
     * begun the first, there will be no end of children: so that item ends with it. */
    const bool ends_one = at_work || (worker->ended == 0 && map->stop == FC_MAP_STOP_NOT);
    if (worker->ended < worker->limit && ends_one && !*no_room)
        end_item(worker, at_work, start_ns + report.elapsed_ns, &report);
    else if (worker->in_record)
        fc_map_clear_answer(map, fc_map_log_index(worker));
    give_back(worker, rest);
    free_memory(worker);
}
