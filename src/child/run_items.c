/* CHILD: Serves items of a map: takes them from the grants of the host, runs them, and puts a
 * record of each into the log (wire/items.h). */
#include "child/run_items.h"

#include "base/io.h"
#include "base/shared_memory.h"
#include "base/shared_wait.h"
#include "child/child_state.h"
#include "child/crash_handler.h"
#include "child/inline.h"
#include "child/reply_writer.h"
#include "child/storage.h"
#include "child/streams.h"
#include "result/buf.h"
#include "wire/items.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The host hears at least so often of items that have ended, as long as there are such. */
#define TELL_NS 1000000U
/* The clock is looked at after so much time, or so many items. */
#define LOOK_NS 50000U
#define LOOK_MAX 64U

struct items {
    const struct fc_items_setup *setup;
    struct fc_items_memory *memory;
    char *base; /* the same */
    char *log;
    forkcall_fn *fn;
    struct forkcall_buf *result;
    struct forkcall_buf empty; /* the result as it was at first */
    uint32_t number;           /* of the next item */
    uint32_t grant;            /* the number of the grant that it belongs to, plus one */
    uint32_t at;               /* the position in the log */
    uint32_t told_at;          /* the position of which the host was told last */
    uint64_t told_ns;
    uint64_t looked_ns;  /* when the clock was looked at last */
    uint32_t unseen;     /* how many items have ended since */
    uint32_t look_after; /* after how many it is looked at again */
    uint32_t item_ns;    /* about the median of the items' times; 0: not known */
    bool mute;           /* the function has closed the reply */
};

/* ---- The host -------------------------------------------------------------------------------- */

/* Wakes the host, if it waits. */
static void tell_host(struct items *items)
{
    struct fc_frame_header header = fc_child_frame_header(FC_FRAME_ITEMS, 0);
    struct iovec part = fc_part(&header, sizeof header);
    items->told_at = items->at;
    items->told_ns = items->looked_ns;
    if (atomic_exchange(&items->memory->host_waits, 0) != 0)
        items->mute = !fc_reply_write(&part, 1, true);
}

static bool has_order(const struct items *items)
{
    return atomic_load(&items->memory->limit) > items->number || atomic_load(&items->memory->finish) != 0;
}

static uint32_t room(const struct items *items)
{
    return items->setup->layout.log_size - (items->at - atomic_load(&items->memory->taken));
}

/* Half of the log: less would make for many wake-ups. */
static bool has_room(const struct items *items)
{
    return room(items) >= items->setup->layout.log_size / 2;
}

static void await(struct items *items, bool (*condition)(const struct items *))
{
    for (unsigned round = 0; !condition(items) && !items->mute; round++) {
        tell_host(items);
        atomic_store(&items->memory->child_waits, 1);
        if (!condition(items) && !items->mute)
            fc_shared_wait(&items->memory->child_waits, round);
        atomic_store(&items->memory->child_waits, 0);
    }
}

/* ---- The log --------------------------------------------------------------------------------- */

static void put(struct items *items, const void *data, uint64_t size)
{
    const uint32_t log_size = items->setup->layout.log_size;
    while (size > 0) {
        const uint32_t place = items->at & (log_size - 1);
        uint64_t n = room(items);
        if (n == 0) {
            atomic_store(&items->memory->written, items->at);
            await(items, has_room);
            if (items->mute)
                return;
            continue;
        }
        n = n < log_size - place ? n : log_size - place;
        n = n < size ? n : size;
        memcpy(items->log + place, data, (size_t)n);
        data = (const char *)data + n;
        size -= n;
        items->at += (uint32_t)n;
    }
}

/* One long item among short ones, or a rest that the kernel has taken, must not count for much: so
 * the estimate moves by a sixteenth at most. */
static void estimate(struct items *items, uint64_t ns)
{
    const uint32_t old = items->item_ns;
    const uint32_t step = old / 16 + 1;
    const uint32_t now = ns > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)ns;
    if (old == 0)
        items->item_ns = now;
    else if (now > old)
        items->item_ns = now - old > step ? old + step : now;
    else
        items->item_ns = old - now > step ? old - step : now;
    items->look_after = items->item_ns == 0 ? LOOK_MAX : LOOK_NS / items->item_ns;
    items->look_after = items->look_after > LOOK_MAX ? LOOK_MAX : items->look_after;
    atomic_store_explicit(&items->memory->item_ns, items->item_ns, memory_order_relaxed);
}

/* Called when an item has ended. Returns how long it took, as far as the clock was looked at. */
static uint64_t look_at_clock(struct items *items)
{
    items->unseen++;
    if (!items->setup->take_time && items->unseen < items->look_after)
        return 0;
    const uint64_t now = fc_now_ns();
    const uint64_t ns = now - items->looked_ns;
    estimate(items, ns / items->unseen);
    items->unseen = 0;
    items->looked_ns = now;
    return ns;
}

/* True: the function has returned 0, and there is a result. */
static bool put_record(struct items *items, int code)
{
    static const char zero[8];
    const bool in_its_own_words = code != 0 && fc_child.message_size > 0;
    const struct fc_trailer trailer = fc_trailer_make(code, fc_buf_error(items->result), in_its_own_words);
    const bool has_message = trailer.end == FC_END_RETURNED && code != 0;
    const bool has_result = trailer.end == FC_END_RETURNED && code == 0 && !items->setup->drop_result;
    const uint64_t size = has_message ? fc_child.message_size : has_result ? items->result->size : 0;
    const uint64_t ns = look_at_clock(items);
    const struct fc_items_record record = {.number = items->number,
                                           .code = trailer.code,
                                           .size_low = (uint32_t)size,
                                           .size_high = (uint16_t)(size >> 32),
                                           .end = (uint8_t)trailer.end,
                                           .has_time = items->setup->take_time};
    if (room(items) < sizeof record + sizeof ns) /* these are published as a whole */
        await(items, has_room);
    put(items, &record, sizeof record);
    if (record.has_time != 0)
        put(items, &ns, sizeof ns);
    put(items, has_message ? (const void *)fc_message : items->result->data, size);
    put(items, zero, fc_items_padded(size) - size);
    atomic_store_explicit(&items->memory->written, items->at, memory_order_release);
    return trailer.end == FC_END_RETURNED && code == 0;
}

/* Tells the host of what stands in the log, if it should know now: because the item has failed,
 * which may stop the map; because it has to hand out more; because the log fills; or because it has
 * not heard for long. */
static void report(struct items *items, bool ok, uint32_t tell_at)
{
    if (!ok || items->number == tell_at || items->at - items->told_at >= items->setup->layout.log_size / 2 ||
        items->looked_ns - items->told_ns >= TELL_NS)
        tell_host(items);
}

/* ---- An item --------------------------------------------------------------------------------- */

/* Begins the next item. False: there is none, and none will come. */
static bool begin(struct items *items)
{
    struct fc_items_memory *memory = items->memory;
    while (!items->mute) {
        if (items->setup->take_time)
            atomic_store_explicit(&memory->begun_ms, (uint32_t)(items->looked_ns / 1000000U), memory_order_relaxed);
        atomic_store(&memory->begun, items->number + 1);
        if (atomic_load(&memory->limit) > items->number)
            return true;
        atomic_store(&memory->begun, items->number);
        await(items, has_order);
        /* What was granted may have been taken back since: then another grant may come. */
        if (atomic_load(&memory->finish) != 0 && atomic_load(&memory->limit) <= items->number)
            return false;
        items->looked_ns = fc_now_ns();
        items->unseen = 0;
    }
    return false;
}

/* The grant that the item belongs to. A later one may begin with the same number, if the host has
 * taken back the rest of an earlier one. */
static const struct fc_items_grant *find_grant(struct items *items)
{
    const uint32_t grants = atomic_load_explicit(&items->memory->grants, memory_order_acquire);
    while (items->grant < grants && items->memory->grant[items->grant % FC_ITEMS_GRANTS].number <= items->number)
        items->grant++;
    return &items->memory->grant[(items->grant - 1) % FC_ITEMS_GRANTS];
}

static const void *find_args(const struct items *items, const struct fc_items_grant *grant)
{
    const struct fc_items_setup *setup = items->setup;
    const struct fc_items_layout *layout = &setup->layout;
    const uint32_t in_grant = items->number - grant->number;
    char *area = items->base + layout->areas_at;
    const void *pointer;
    if (!setup->has_items)
        return NULL;
    if (setup->memory == NULL)
        return area + (items->grant - 1) % FC_ITEMS_GRANTS * layout->area_size + in_grant * layout->stride;
    if (setup->item_size == FORKCALL_BY_POINTER) {
        memcpy(&pointer, setup->items + (grant->first + in_grant) * sizeof pointer, sizeof pointer);
        return pointer;
    }
    const char *item = setup->items + (grant->first + in_grant) * setup->item_size;
    return setup->realign ? memcpy(area, item, (size_t)setup->item_size) : item;
}

/* An item's result begins empty, as that of a call of its own. */
static void reset_result(struct items *items, uint64_t limit)
{
    if (items->result->kind_private == FC_BUF_HEAP)
        forkcall_buf_free(items->result);
    *items->result = items->empty;
    fc_buf_set_limit(items->result, (size_t)limit);
}

/* False: this is another process, which the function has forked. */
static bool run_item(struct items *items, int *code)
{
    const struct fc_items_grant *grant = find_grant(items);
    const uint32_t tell_at = grant->tell_at;
    fc_child.message_size = 0;
    fc_child.item = (uint64_t)items->number + 1;
    reset_result(items, grant->max_result);
    *code = fc_function_enter(items->fn, find_args(items, grant), (size_t)items->setup->item_size, items->result);
    if (!fc_child_has_not_forked())
        return false;
    fc_streams_flush();
    const bool ok = put_record(items, *code);
    report(items, ok, tell_at);
    items->number++;
    return !items->mute;
}

/* ---- The call -------------------------------------------------------------------------------- */

static int make_ready(struct items *items)
{
    const struct fc_items_setup *setup = items->setup;
    char why[512] = "";
    items->memory = setup->memory;
    items->fn = setup->fn;
    if (setup->memory == NULL) {
        items->memory = fc_shared_memory_map(setup->fd, (size_t)setup->layout.size);
        close(setup->fd);
        if (items->memory == NULL)
            return forkcall_fail(ENOMEM, "memory for the items: %s", strerror(ENOMEM));
        const int r = fc_module_find(&setup->name, &items->fn, why, sizeof why);
        if (r < 0)
            return forkcall_fail(-r, "%s", why);
        fc_crash_note_function(items->fn);
    }
    items->base = (char *)items->memory;
    items->log = items->base + setup->layout.log_at;
    /* Not the items themselves, which the function may read in a process that it forks. */
    fc_shared_memory_hide(items->base, (size_t)setup->layout.areas_at, 1);
    return 0;
}

int fc_run_items(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct items items = {.setup = args, .result = result, .empty = *result};
    (void)args_size;
    int code = make_ready(&items);
    if (code != 0)
        return code;
    items.looked_ns = items.told_ns = fc_now_ns();
    while (begin(&items))
        if (!run_item(&items, &code) && !items.mute)
            return code;
    reset_result(&items, SIZE_MAX);
    fc_child.message_size = 0;
    return 0;
}
