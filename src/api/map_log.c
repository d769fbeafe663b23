/* HOST: Takes the records that a child puts into its log. All that stands there is looked at once,
 * in a copy, because the child may change it at any time. */
#include "api/map_log.h"

#include "base/shared_wait.h"
#include "call/call.h"
#include "result/buf.h"

#include <errno.h>
#include <string.h>

/* ---- Which item ------------------------------------------------------------------------------ */

const struct fc_map_grant *fc_map_log_grant(struct fc_map_worker *worker)
{
    for (;;) {
        const struct fc_map_grant *grant = &worker->grant[worker->grants_done % FC_ITEMS_GRANTS];
        if (worker->ended < grant->number + grant->count || worker->grants_done + 1 >= worker->grants)
            return grant;
        worker->grants_done++;
    }
}

size_t fc_map_log_index(struct fc_map_worker *worker)
{
    const struct fc_map_grant *grant = fc_map_log_grant(worker);
    return grant->first + (worker->ended - grant->number);
}

/* ---- The log --------------------------------------------------------------------------------- */

static const char *log_of(const struct fc_map_worker *worker)
{
    return (const char *)worker->memory + worker->team->layout.log_at;
}

/* Takes size bytes out of the log; to may be NULL. */
static void take(struct fc_map_worker *worker, void *to, size_t size)
{
    const uint32_t log_size = worker->team->layout.log_size;
    const uint32_t at = worker->taken & (log_size - 1);
    const size_t before_end = size < log_size - at ? size : log_size - at;
    if (to != NULL) {
        memcpy(to, log_of(worker) + at, before_end);
        memcpy((char *)to + before_end, log_of(worker), size - before_end);
    }
    worker->taken += (uint32_t)size;
}

/* Tells the child that there is room. */
static void give_room(struct fc_map_worker *worker)
{
    struct fc_items_memory *memory = worker->memory;
    atomic_store(&memory->taken, worker->taken);
    if (atomic_load(&memory->child_waits) != 0 && atomic_exchange(&memory->child_waits, 0) != 0)
        fc_shared_wake(&memory->child_waits);
}

/* ---- A record -------------------------------------------------------------------------------- */

static bool has_result(const struct fc_items_record *record)
{
    return record->end == FC_END_RETURNED && record->code == 0;
}

static uint64_t size_of(const struct fc_items_record *record)
{
    return (uint64_t)record->size_high << 32 | record->size_low;
}

static bool is_valid(const struct fc_map_worker *worker, const struct fc_items_record *record, size_t max_result)
{
    const uint64_t size = size_of(record);
    if (record->number != worker->ended || worker->ended >= worker->limit ||
        record->has_time != (uint8_t)worker->team->take_time)
        return false;
    if (record->end == FC_END_TOO_BIG || record->end == FC_END_NO_MEMORY)
        return size == 0;
    if (record->end != FC_END_RETURNED)
        return false;
    if (record->code != 0)
        return size <= FC_MESSAGE_MAX;
    return size <= (worker->map->results != NULL ? max_result : 0);
}

/* Finds a place for the bytes that follow the record's head. */
static void make_place(struct fc_map_worker *worker, size_t index)
{
    const struct fc_items_record *record = &worker->record;
    const size_t size = (size_t)worker->record_size;
    struct forkcall_buf *to = &worker->message;
    if (has_result(record) && worker->map->results != NULL)
        to = &worker->map->results[index];
    worker->to = NULL;
    worker->result_error = 0;
    fc_buf_clear(to);
    if (size == 0)
        return;
    worker->to = fc_buf_take_room(to, size);
    if (worker->to == NULL && has_result(record))
        worker->result_error = -ENOMEM;
}

/* False: this is no record. */
static bool begin_record(struct fc_map_worker *worker, uint32_t have)
{
    struct fc_items_record record;
    const size_t time_size = worker->team->take_time ? sizeof worker->record_ns : 0;
    if (have < sizeof record + time_size)
        return false;
    take(worker, &record, sizeof record);
    take(worker, &worker->record_ns, time_size);
    worker->record = record;
    worker->record_size = size_of(&record);
    const struct fc_map_grant *grant = fc_map_log_grant(worker);
    if (!is_valid(worker, &record, grant->max_result))
        return false;
    worker->in_record = true;
    worker->record_have = 0;
    fc_buf_clear(&worker->message);
    make_place(worker, fc_map_log_index(worker));
    return true;
}

/* Takes have bytes at most. True: the record is whole. */
static bool go_on(struct fc_map_worker *worker, uint64_t have)
{
    const uint64_t size = worker->record_size;
    const uint64_t padded = fc_items_padded(size);
    if (worker->record_have < size) {
        const uint64_t n = size - worker->record_have < have ? size - worker->record_have : have;
        take(worker, worker->to != NULL ? worker->to + worker->record_have : NULL, (size_t)n);
        worker->record_have += n;
        have -= n;
    }
    if (worker->record_have >= size) {
        const uint64_t n = padded - worker->record_have < have ? padded - worker->record_have : have;
        take(worker, NULL, (size_t)n);
        worker->record_have += n;
    }
    return worker->record_have == padded;
}

/* True: somebody wants to know more of the item than its result. */
static bool needs_report(const struct fc_map *map)
{
    return map->reports != NULL || map->options.item_done != NULL;
}

static void end_record(struct fc_map_worker *worker)
{
    struct fc_map *map = worker->map;
    const size_t index = fc_map_log_index(worker);
    const size_t max_result = fc_map_log_grant(worker)->max_result;
    const struct fc_items_record *record = &worker->record;
    const bool ok = has_result(record) && worker->result_error == 0;
    worker->in_record = false;
    worker->ended++;
    worker->last_index = index;
    if (!ok && map->results != NULL)
        fc_buf_clear(&map->results[index]);
    struct forkcall_report report;
    const bool is_told = !ok || needs_report(map);
    const struct fc_trailer trailer = {.end = record->end, .code = record->code};
    if (is_told)
        fc_call_report_item(worker->call, &trailer, &worker->message, worker->result_error, max_result, &report);
    fc_call_take_item_details(worker->call, &worker->message,
                              map->options.details != NULL ? &map->options.details[index] : NULL);
    if (!is_told) {
        map->ended++;
        return;
    }
    if (worker->record_ns < report.elapsed_ns)
        report.elapsed_ns = worker->record_ns;
    fc_map_item_ended(map, index, &report);
}

/* ---- Taking ---------------------------------------------------------------------------------- */

static void take_records(struct fc_map_worker *worker, uint32_t written, uint32_t before)
{
    const uint32_t first = worker->taken;
    while (!worker->rejected && written != worker->taken) {
        const uint32_t have = written - worker->taken;
        if (!worker->in_record && worker->ended >= before)
            break;
        if (have > worker->team->layout.log_size || (!worker->in_record && !begin_record(worker, have))) {
            worker->rejected = true;
            worker->rejected_late = !fc_call_reject(worker->call);
            break;
        }
        if (!go_on(worker, written - worker->taken))
            break;
        end_record(worker);
    }
    if (worker->taken != first && !worker->rejected)
        give_room(worker);
}

void fc_map_log_take(struct fc_map_worker *worker, uint32_t written)
{
    take_records(worker, written, UINT32_MAX);
}

void fc_map_log_take_before(struct fc_map_worker *worker, uint32_t number)
{
    take_records(worker, atomic_load_explicit(&worker->memory->written, memory_order_acquire), number);
}
