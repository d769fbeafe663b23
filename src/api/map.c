/* HOST: forkcall_map: checks what it is given, has the items run, and tells the outcome of all. */
#include "api/map_arguments.h"
#include "api/map_calls.h"
#include "api/map_workers.h"

#include "base/descriptors.h"
#include "base/io.h"
#include "base/kept.h"
#include "base/report_message.h"
#include "call/options.h"
#include "child/finish.h"
#include "method/table.h"
#include "os/cpus.h"

#include <errno.h>
#include <string.h>

/* Prepares the options that the calls of all items share, and checks them. */
static bool prepare_call(struct fc_map *map, struct forkcall_report *report)
{
    struct forkcall_options *call = &map->options.call;
    /* During the check, this buffer stands for the details of any item. */
    struct forkcall_buf any = FORKCALL_BUF_INIT;
    fc_map_calls_set_callbacks(map);
    call->details = map->options.details != NULL ? &any : NULL;
    bool right = fc_options_check(map->fn, NULL, 0, NULL, call, report);
    if (!right)
        fc_map_name_field(report);
    right = right && fc_options_from_environment(call, report);
    if (right && map->item_size == FORKCALL_BY_POINTER &&
        (call->method == FORKCALL_SERVER || call->method == FORKCALL_SPAWN)) {
        right = fc_report_wrong(report, "item_size" FC_BY_POINTER_NEEDS);
        fc_options_blame_environment(call, report);
    }
    map->cancel_fd = call->cancel_fd_plus_one - 1;
    call->cancel_fd_plus_one = 0;
    call->details = NULL;
    return right;
}

static bool check(struct fc_map *map, struct forkcall_report *report)
{
    return fc_map_check(map->items, map->item_size, map->count, map->results, &map->options, report) &&
           prepare_call(map, report);
}

static struct forkcall_report report_of_all(const struct fc_map *map)
{
    struct forkcall_report report = map->first;
    if (map->stop == FC_MAP_STOP_CANCEL && map->cut) {
        report = map->total;
        report.status = FORKCALL_CANCELED;
        fc_report_message(&report, "canceled by the caller");
    }
    report.hints |= map->total.hints;
    if (report.status == FORKCALL_OK) {
        memcpy(report.message, map->total.message, sizeof report.message);
        report.reserved[2] = (uint64_t)map->count + 1; /* for forkcall_explain */
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

/* Where children cannot serve many items each, each item has a child of its own. */
static int run_items(struct fc_map *map)
{
    const bool in_child =
        fc_method_choose(map->options.call.method, map->item_size == FORKCALL_BY_POINTER) != FORKCALL_INLINE;
    if (map->options.items_per_child > 1 && in_child && fc_map_workers_run(map) == 0)
        return 0;
    return fc_map_calls_run(map);
}

static struct forkcall_report run_checked(struct fc_map *map)
{
    struct forkcall_report report = fc_map_not_started(map, EINVAL);
    if (!check(map, &report)) {
        report.elapsed_ns = fc_now_ns() - map->start_ns;
        return report;
    }
    const size_t processes = map->options.processes > 0 ? map->options.processes : fc_cpus_count();
    map->processes = processes < map->count ? processes : map->count;
    if (run_items(map) == 0) {
        report = report_of_all(map);
    } else {
        report = fc_map_not_started(map, ENOMEM);
        report.elapsed_ns = fc_now_ns() - map->start_ns;
        fc_report_message(&report, "memory for the map: %s", strerror(ENOMEM));
    }
    return report;
}

struct forkcall_report forkcall_map(forkcall_fn *fn, const void *items, size_t item_size, size_t count,
                                    struct forkcall_buf *results, struct forkcall_report *reports,
                                    const struct forkcall_map_options *options)
{
    struct fc_map map;
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
    map.generation = fc_fds_generation();
    map.total.method = map.options.call.method;
    map.total.ran = FORKCALL_RAN_NO;
    map.total.wait_status = -1;
    map.total.usage_known = true;
    map.total.fn = fn;
    fc_report_name(&map.total, map.options.call.name);
    map.first = map.total;
    const struct fc_kept kept = fc_keep();
    const struct forkcall_report report = run_checked(&map);
    fc_restore(kept);
    return report;
}
