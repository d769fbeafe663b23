/* HOST: A map whose children serve many items each: who gets which items, and the wait for all. */
#include "api/map_workers.h"

#include "api/map_worker.h"
#include "base/io.h"
#include "base/poll_fds.h"
#include "base/report_message.h"
#include "call/call.h"
#include "exec/exec_self.h"
#include "method/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The log of a child. */
#define LOG_SIZE 262144U
/* The areas of a child that is no fork hold items of so many bytes, or one item. */
#define AREA_SIZE 131072U
/* A larger item has no second one beside it. */
#define AREA_LARGE 1048576U
#define PAGE 4096U

/* A child is first granted so many items; then, as long as they are short, this many times more. */
#define FIRST_COUNT 16U
#define GROWTH 16U
/* How long a grant should keep a child busy. */
#define GRANT_NS 2000000U
/* A message is worth its price for items that together take so long; and so long an idle child
 * waits for items that seem to take less. */
#define SHORT_NS 100000U
#define PATIENCE_MS 2
/* A child wakes its host for many items at once. If somebody wants to hear of each, the host looks
 * by itself so often, because the item that is at work may take long. */
#define NEWS_MS 10
/* A child is worth its start for items that take so long. */
#define LONG_NS 1000000U

struct workers {
    struct fc_map *map;
    struct fc_map_team team;
    struct fc_map_worker *workers;
    struct pollfd *fds; /* room for the workers and cancel_fd */
    /* Items that were granted to a child that has ended: the last is granted first. */
    struct fc_map_range *again;
    size_t again_count, again_room;
    size_t again_items;
    size_t running;
    bool full;   /* there was no room for another child; there may be once one has ended */
    bool begun;  /* a child was started */
    int refused; /* a negative errno: the first child could not be tried, and nothing was done */
    int turn_ms;
};

/* ---- Items without a child ------------------------------------------------------------------- */

static size_t pending(const struct workers *workers)
{
    return workers->map->count - workers->map->next + workers->again_items;
}

/* There is no memory to remember these items. */
static void drop(struct workers *workers, struct fc_map_range range)
{
    for (size_t i = 0; i < range.count; i++) {
        struct forkcall_report report = fc_map_not_started(workers->map, ENOMEM);
        fc_report_message(&report, "memory for the map: %s", strerror(ENOMEM));
        fc_map_clear_answer(workers->map, range.first + i);
        fc_map_item_ended(workers->map, range.first + i, &report);
    }
}

/* The range that is granted first; NULL: none was granted before. */
static struct fc_map_range *last_again(const struct workers *workers)
{
    return workers->again != NULL && workers->again_count > 0 ? &workers->again[workers->again_count - 1] : NULL;
}

static void give_back(struct workers *workers, struct fc_map_range range)
{
    struct fc_map_range *last = last_again(workers);
    if (range.count == 0)
        return;
    if (last != NULL && range.first + range.count == last->first) {
        last->first = range.first;
        last->count += range.count;
        workers->again_items += range.count;
        return;
    }
    if (workers->again_count == workers->again_room) {
        const size_t room = workers->again_room * 2 + 8;
        struct fc_map_range *more = realloc(workers->again, room * sizeof *more);
        if (more == NULL) {
            drop(workers, range);
            return;
        }
        workers->again = more;
        workers->again_room = room;
    }
    workers->again[workers->again_count++] = range;
    workers->again_items += range.count;
}

/* The next items, most of them at most, which stay where they are. There are some. */
static struct fc_map_range next_range(const struct workers *workers, size_t most)
{
    const struct fc_map_range *again = last_again(workers);
    struct fc_map_range range = {workers->map->next, workers->map->count - workers->map->next};
    if (again != NULL)
        range = *again;
    if (range.count > most)
        range.count = most;
    return range;
}

/* Takes the first count of the next items away. */
static void take(struct workers *workers, size_t count)
{
    struct fc_map_range *last = last_again(workers);
    if (last == NULL) {
        workers->map->next += count;
        return;
    }
    last->first += count;
    last->count -= count;
    workers->again_items -= count;
    if (last->count == 0)
        workers->again_count--;
}

/* ---- Who gets how many ----------------------------------------------------------------------- */

/* How many items a child should be granted now: so many that it is busy for a while, and not more
 * than half of its share of what is left, so that all children end at the same time. */
static size_t good_count(const struct workers *workers, const struct fc_map_worker *worker)
{
    const uint32_t item_ns = worker->call != NULL ? fc_map_worker_item_ns(worker) : 0;
    const size_t share = pending(workers) / (2 * workers->map->processes);
    uint64_t count = worker->last_count == 0 ? FIRST_COUNT : (uint64_t)worker->last_count * GROWTH;
    if (workers->team.in_step)
        return 1;
    if (item_ns > 0 && count > GRANT_NS / item_ns)
        count = GRANT_NS / item_ns;
    const uint64_t least = item_ns > 0 && count > SHORT_NS / item_ns ? SHORT_NS / item_ns : 1;
    if (count > share)
        count = share > least ? share : least;
    return count > 0 ? (size_t)count : 1;
}

static void grant_more(struct workers *workers, struct fc_map_worker *worker)
{
    while (pending(workers) > 0) {
        struct fc_map_range range = next_range(workers, good_count(workers, worker));
        range.count = fc_map_worker_fits(worker, range);
        if (range.count == 0)
            return;
        take(workers, range.count);
        fc_map_worker_grant(worker, range);
    }
}

/* The child for which most items wait; NULL: none wait. */
static struct fc_map_worker *find_most_waiting(const struct workers *workers)
{
    struct fc_map_worker *most = NULL;
    size_t waiting = 0;
    for (size_t i = 0; i < workers->map->processes; i++) {
        struct fc_map_worker *worker = &workers->workers[i];
        if (worker->call != NULL && !worker->rejected && !worker->finishing &&
            fc_map_worker_waiting(worker) > waiting) {
            most = worker;
            waiting = fc_map_worker_waiting(worker);
        }
    }
    return most;
}

/* Items that seem to end soon are left where they are; but they may seem so by mistake. */
static bool is_worth_it(struct fc_map_worker *worker, const struct fc_map_worker *other)
{
    const uint32_t item_ns = fc_map_worker_item_ns(other);
    const uint64_t now = fc_now_ns();
    if (worker->idle_ns == 0)
        worker->idle_ns = now;
    return item_ns == 0 || fc_map_worker_waiting(other) > SHORT_NS / item_ns ||
           now - worker->idle_ns >= PATIENCE_MS * UINT64_C(1000000);
}

/* A child that has nothing to do gets half of what waits for the child with most. */
static void grant_anothers(struct workers *workers, struct fc_map_worker *worker, struct fc_map_worker *most)
{
    if (!is_worth_it(worker, most))
        return;
    struct fc_map_range range = fc_map_worker_take_back(most, false);
    if (range.count == 0)
        return;
    const size_t fits = fc_map_worker_fits(worker, range);
    give_back(workers, (struct fc_map_range){range.first + fits, range.count - fits});
    range.count = fits;
    if (fits > 0)
        fc_map_worker_grant(worker, range);
}

static void refill(struct workers *workers)
{
    for (size_t i = 0; i < workers->map->processes; i++) {
        struct fc_map_worker *worker = &workers->workers[i];
        if (worker->call == NULL || worker->finishing || worker->rejected)
            continue;
        grant_more(workers, worker);
        if (worker->ended < worker->limit) {
            worker->idle_ns = 0;
            continue;
        }
        struct fc_map_worker *most = worker->limit < workers->team.items_per_child ? find_most_waiting(workers) : NULL;
        if (most != NULL)
            grant_anothers(workers, worker, most);
        else
            fc_map_worker_finish(worker);
    }
}

/* ---- Children -------------------------------------------------------------------------------- */

static void end_worker(struct workers *workers, struct fc_map_worker *worker)
{
    struct fc_map_range rest[FC_ITEMS_GRANTS];
    bool no_room;
    workers->running--;
    fc_map_worker_end(worker, workers->running > 0, &no_room, rest);
    for (size_t i = FC_ITEMS_GRANTS; i-- > 0;)
        give_back(workers, rest[i]);
    workers->full = no_room;
}

/* A child could not even be tried: one item bears the error, unless another child may leave
 * room. */
static void not_started(struct workers *workers, struct fc_map_range range, int error, const char *step)
{
    struct forkcall_report report = fc_map_not_started(workers->map, error);
    fc_report_message(&report, "%s: %s", step, strerror(error));
    if (workers->running > 0 && fc_map_found_no_room(&report)) {
        workers->full = true;
        give_back(workers, range);
        return;
    }
    fc_map_clear_answer(workers->map, range.first);
    fc_map_item_ended(workers->map, range.first, &report);
    give_back(workers, (struct fc_map_range){range.first + 1, range.count - 1});
}

static void start_worker(struct workers *workers, struct fc_map_worker *worker)
{
    const char *step = "";
    *worker = (struct fc_map_worker){.team = &workers->team, .map = workers->map};
    struct fc_map_range range = next_range(workers, good_count(workers, worker));
    range.count = fc_map_worker_fits(worker, range);
    take(workers, range.count);
    const int r = fc_map_worker_start(worker, range, &step);
    if (r < 0 && !workers->begun) {
        workers->refused = r;
        workers->map->next = 0;
        return;
    }
    workers->begun = true;
    if (r < 0) {
        not_started(workers, range, -r, step);
        return;
    }
    workers->running++;
    if (fc_map_worker_serve(worker)) /* the call could not start, for example */
        end_worker(workers, worker);
    else if (workers->map->stop == FC_MAP_STOP_NOT && good_count(workers, worker) >= FIRST_COUNT)
        grant_more(workers, worker); /* there is enough for the others, too */
}

/* Where items take long, those that wait behind another one are better off in a child of their
 * own. */
static bool take_from_others(struct workers *workers)
{
    struct fc_map_worker *most = find_most_waiting(workers);
    if (most != NULL && fc_map_worker_item_ns(most) >= LONG_NS)
        give_back(workers, fc_map_worker_take_back(most, false));
    return pending(workers) > 0;
}

static void start_workers(struct workers *workers)
{
    for (size_t i = 0; i < workers->map->processes; i++) {
        while (workers->map->stop == FC_MAP_STOP_NOT && !workers->full && workers->refused == 0 &&
               workers->workers[i].call == NULL && (pending(workers) > 0 || take_from_others(workers))) {
            start_worker(workers, &workers->workers[i]);
            fc_map_look_for_cancel(workers->map);
        }
    }
}

/* The items that run are canceled, and what waits is not begun. */
static void cancel_running(struct fc_map *map)
{
    struct workers *workers = map->runner;
    for (size_t i = 0; i < map->processes; i++) {
        struct fc_map_worker *worker = &workers->workers[i];
        if (worker->call == NULL || worker->finishing)
            continue;
        for (size_t k = 0; k < FC_ITEMS_GRANTS; k++)
            give_back(workers, fc_map_worker_take_back(worker, true));
        fc_map_worker_finish(worker);
        forkcall_cancel(worker->call);
    }
}

static void forget_running(struct fc_map *map)
{
    struct workers *workers = map->runner;
    for (size_t i = 0; i < map->processes; i++)
        if (workers->workers[i].memory != NULL)
            fc_map_worker_forget(&workers->workers[i]);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

/* Has each child wake the host when it has something to tell, and fills in the descriptors. Returns
 * how long to wait at most. */
static int prepare_wait(struct workers *workers, nfds_t *count)
{
    const struct fc_map *map = workers->map;
    int ms = -1;
    *count = 0;
    if (map->cancel_fd >= 0 && map->stop != FC_MAP_STOP_CANCEL)
        workers->fds[(*count)++] = (struct pollfd){.fd = map->cancel_fd, .events = POLLIN};
    for (size_t i = 0; i < map->processes; i++) {
        struct fc_map_worker *worker = &workers->workers[i];
        if (worker->call == NULL)
            continue;
        if (worker->fd < 0 && worker->fd != -ENOTSUP)
            worker->fd = forkcall_fd(worker->call);
        if (worker->fd < 0)
            ms = ms != 0 ? workers->turn_ms : 0;
        atomic_store(&worker->memory->host_waits, 1);
        if (map->options.item_done != NULL && (ms < 0 || ms > NEWS_MS))
            ms = NEWS_MS;
        if (worker->idle_ns != 0 && !worker->finishing && (ms < 0 || ms > PATIENCE_MS))
            ms = PATIENCE_MS;
        if (fc_map_worker_has_news(worker))
            ms = 0;
        worker->place = *count;
        if (worker->fd >= 0)
            workers->fds[(*count)++] = (struct pollfd){.fd = worker->fd, .events = POLLIN};
    }
    return ms;
}

static void wait_for_workers(struct workers *workers)
{
    nfds_t count;
    const size_t ended = workers->map->ended;
    const int ms = prepare_wait(workers, &count);
    const int r = fc_poll(workers->fds, count, ms);
    /* poll(2) itself failed (ENOMEM, RLIMIT_NOFILE 0): every call is asked after a pause. */
    const bool ask_all = r < 0 && errno != EINTR;
    if (ask_all)
        fc_pause();
    for (size_t i = 0; i < workers->map->processes; i++) {
        struct fc_map_worker *worker = &workers->workers[i];
        if (worker->call == NULL)
            continue;
        const bool look = ask_all || worker->fd < 0 || (r > 0 && workers->fds[worker->place].revents != 0) ||
                          fc_map_worker_has_news(worker);
        atomic_store(&worker->memory->host_waits, 0);
        if (look && fc_map_worker_serve(worker))
            end_worker(workers, worker);
    }
    workers->turn_ms = workers->map->ended > ended             ? 1
                       : workers->turn_ms < FC_MAP_TURN_MAX_MS ? workers->turn_ms * 2
                                                               : FC_MAP_TURN_MAX_MS;
}

static void run(struct workers *workers)
{
    struct fc_map *map = workers->map;
    workers->turn_ms = 1;
    for (;;) {
        fc_map_look_for_cancel(map);
        start_workers(workers);
        if (map->stop == FC_MAP_STOP_NOT)
            refill(workers);
        if (workers->refused < 0)
            return;
        if (workers->running == 0 && (map->stop != FC_MAP_STOP_NOT || pending(workers) == 0))
            break;
        if (workers->running > 0)
            wait_for_workers(workers);
    }
    while (pending(workers) > 0) {
        fc_map_leave_out(map, next_range(workers, 1).first);
        take(workers, 1);
    }
}

/* ---- The team -------------------------------------------------------------------------------- */

static bool is_captured(const struct forkcall_options *options)
{
    return options->standard_output == FORKCALL_STREAM_CAPTURE || options->standard_error == FORKCALL_STREAM_CAPTURE;
}

static uint64_t rounded(uint64_t size, uint64_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static void lay_out(struct fc_map_team *team)
{
    const struct fc_map *map = team->map;
    struct fc_items_layout *layout = &team->layout;
    const bool by_pointer = map->item_size == FORKCALL_BY_POINTER;
    const size_t alignment = _Alignof(max_align_t);
    layout->log_at = PAGE;
    layout->log_size = LOG_SIZE;
    layout->areas_at = layout->log_at + layout->log_size;
    if (map->item_size > 0 && map->items != NULL && !by_pointer)
        layout->stride = rounded(map->item_size, alignment);
    layout->area_size = layout->stride > AREA_SIZE ? layout->stride : AREA_SIZE;
    team->depth = team->in_step || layout->stride > AREA_LARGE ? 1 : FC_ITEMS_GRANTS;
    team->realign = team->method == FORKCALL_FORK && layout->stride > 0 &&
                    ((uintptr_t)map->items % alignment != 0 || map->item_size % alignment != 0);
    uint64_t areas = team->method == FORKCALL_FORK ? 0 : FC_ITEMS_GRANTS * layout->area_size;
    if (team->realign)
        areas = layout->stride;
    layout->size = rounded(layout->areas_at + (layout->stride > 0 ? areas : 0), PAGE);
}

static int make_team(struct fc_map_team *team, struct fc_map *map)
{
    const uint64_t most = map->options.items_per_child;
    memset(team, 0, sizeof *team);
    team->map = map;
    team->method = fc_method_choose(map->options.call.method, map->item_size == FORKCALL_BY_POINTER);
    team->items_per_child = most < FC_ITEMS_MAX ? (uint32_t)most : FC_ITEMS_MAX;
    team->in_step = is_captured(&map->options.call);
    team->take_time = map->reports != NULL || map->options.item_done != NULL || map->options.call.timeout_ms > 0;
    team->in_order = map->options.progress != NULL;
    lay_out(team);
    if (team->layout.size > PTRDIFF_MAX)
        return -ENOMEM;
    return team->method == FORKCALL_FORK ? 0 : fc_exec_self_name_function(map->fn, &team->name);
}

int fc_map_workers_run(struct fc_map *map)
{
    struct workers workers = {.map = map};
    int r = make_team(&workers.team, map);
    if (r < 0)
        return r;
    /* One element more than needed, because calloc may answer a request for 0 bytes by NULL. */
    workers.workers = calloc(map->processes + 1, sizeof *workers.workers);
    workers.fds = calloc(map->processes + 1, sizeof *workers.fds);
    if (workers.workers == NULL || workers.fds == NULL)
        r = -ENOMEM;
    if (r == 0) {
        map->runner = &workers;
        map->cancel_running = cancel_running;
        map->forget_running = forget_running;
        run(&workers);
        map->cancel_running = NULL;
        map->forget_running = NULL;
        r = workers.refused;
    }
    free(workers.workers);
    free(workers.fds);
    free(workers.again);
    return r;
}
