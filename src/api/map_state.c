/* HOST: What a map knows of its items, and whom it tells. */
#include "api/map_state.h"

#include "base/descriptors.h"
#include "base/poll_fds.h"
#include "base/report_message.h"
#include "base/utf8.h"
#include "child/inline.h"
#include "result/buf.h"

#include <errno.h>
#include <string.h>

const void *fc_map_args_of(const struct fc_map *map, size_t index)
{
    const void *args;
    if (map->item_size == 0 || map->items == NULL)
        return map->items;
    if (map->item_size != FORKCALL_BY_POINTER)
        return map->items + index * map->item_size;
    memcpy(&args, map->items + index * sizeof args, sizeof args);
    return args;
}

/* ---- Stopping -------------------------------------------------------------------------------- */

void fc_map_stop(struct fc_map *map, enum fc_map_stop cause)
{
    /* A cancel may come from the callback that is told of the failure. */
    const bool first = map->stop == FC_MAP_STOP_NOT;
    if (first || cause == FC_MAP_STOP_CANCEL)
        map->stop = cause;
    if (first && map->cancel_running != NULL)
        map->cancel_running(map);
}

void fc_map_look_for_cancel(struct fc_map *map)
{
    if (map->cancel_fd >= 0 && map->stop != FC_MAP_STOP_CANCEL && fc_poll_says(map->cancel_fd, POLLIN))
        fc_map_stop(map, FC_MAP_STOP_CANCEL);
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

void fc_map_look_for_fork(struct fc_map *map)
{
    if (map->generation == fc_fds_generation())
        return;
    map->generation = fc_fds_generation();
    if (map->forget_running != NULL)
        map->forget_running(map);
}

/* Called after a callback. True: it has canceled the map, or an INLINE call whose function calls
 * this map. */
static bool canceled(struct fc_map *map, int answer_of_callback)
{
    const bool left = fc_callback_leave();
    fc_map_look_for_fork(map);
    if (!left && answer_of_callback == 0)
        return false;
    map->quiet = true;
    fc_map_stop(map, FC_MAP_STOP_CANCEL);
    return true;
}

int fc_map_tell_progress(struct fc_map *map, size_t index, double done, double total, const char *note)
{
    if (map->quiet)
        return 0;
    fc_callback_enter();
    return canceled(map, map->options.progress(map->options.user, index, done, total, note));
}

int fc_map_tell_output(struct fc_map *map, size_t index, int fd, const char *data, size_t size)
{
    if (map->quiet)
        return 0;
    fc_callback_enter();
    return canceled(map, map->options.output(map->options.user, index, fd, data, size));
}

static void tell(struct fc_map *map, size_t index, const struct forkcall_report *report)
{
    const struct forkcall_map_options *options = &map->options;
    if (options->item_done == NULL || map->quiet)
        return;
    fc_callback_enter();
    canceled(map, options->item_done(options->user, index, report, map->ended, map->count));
}

/* ---- An item --------------------------------------------------------------------------------- */

void fc_map_add_to_total(struct fc_map *map, const struct forkcall_report *report)
{
    struct forkcall_report *total = &map->total;
    total->method = report->method;
    total->hazards |= report->hazards;
    total->hints |= report->hints & FORKCALL_HINT_TOOL;
    if (report->status == FORKCALL_OK && (report->hints & FORKCALL_HINT_TOOL) != 0)
        memcpy(total->message, report->message, sizeof total->message);
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

void fc_map_item_ended(struct fc_map *map, size_t index, const struct forkcall_report *report)
{
    map->ended++;
    if (map->reports != NULL)
        map->reports[index] = *report;
    if (report->status != FORKCALL_OK && map->first.status == FORKCALL_OK) {
        map->first = *report;
        fc_report_message(&map->first, "%.*s (item %zu)", item_message_size(report), report->message, index);
    }
    map->cut = map->cut || report->status == FORKCALL_CANCELED;
    if (report->status != FORKCALL_OK && map->options.stop_at_failure)
        fc_map_stop(map, FC_MAP_STOP_FAILURE);
    tell(map, index, report);
}

struct forkcall_report fc_map_not_started(const struct fc_map *map, int error)
{
    struct forkcall_report report;
    memset(&report, 0, sizeof report);
    report.status = FORKCALL_NOT_STARTED;
    report.ran = FORKCALL_RAN_NO;
    report.code = error;
    report.wait_status = -1;
    report.method = map->total.method;
    report.fn = map->fn;
    fc_report_name(&report, map->options.call.name);
    return report;
}

void fc_map_clear_answer(struct fc_map *map, size_t index)
{
    if (map->results != NULL)
        fc_buf_clear(&map->results[index]);
    if (map->options.details != NULL)
        fc_buf_clear(&map->options.details[index]);
}

bool fc_map_found_no_room(const struct forkcall_report *report)
{
    return report->status == FORKCALL_NOT_STARTED && report->ran == FORKCALL_RAN_NO &&
           (report->code == EMFILE || report->code == ENFILE || report->code == EAGAIN || report->code == ENOMEM);
}

void fc_map_leave_out(struct fc_map *map, size_t index)
{
    map->cut = true;
    fc_map_clear_answer(map, index);
    if (map->reports == NULL)
        return;
    map->reports[index] = fc_map_not_started(map, ECANCELED);
    fc_report_message(&map->reports[index], map->stop == FC_MAP_STOP_FAILURE ? "not started: another item had failed"
                                                                             : "not started: canceled by the caller");
}
