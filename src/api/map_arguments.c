/* HOST: Checks what forkcall_map is given. */
#include "api/map_arguments.h"

#include "base/report_message.h"
#include "call/options.h"
#include "result/buf.h"

#include <string.h>

#define PROCESSES_MAX 65536U

static bool is_array(size_t count, size_t size)
{
    return count <= PTRDIFF_MAX / (size > 0 ? size : 1);
}

static bool check_sizes(const void *items, size_t item_size, size_t count, struct forkcall_report *report)
{
    const size_t size = item_size == FORKCALL_BY_POINTER ? sizeof(void *) : item_size;
    if (size > PTRDIFF_MAX)
        return fc_report_wrong(report, "item_size: %zu bytes are more than any object has", item_size);
    if (!is_array(count, size) || !is_array(count, sizeof(struct forkcall_report)))
        return fc_report_wrong(report, "count: %zu items are more than memory can hold", count);
    if (items == NULL && size > 0 && count > 0)
        return fc_report_wrong(report, "items: is NULL, but item_size is %zu", item_size);
    return true;
}

static bool check_bufs(size_t count, const struct forkcall_buf *results, const struct forkcall_buf *details,
                       struct forkcall_report *report)
{
    if (details != NULL && details == results)
        return fc_report_wrong(report, "details: is the same array as results");
    for (size_t i = 0; results != NULL && i < count; i++)
        if (!fc_buf_is_valid(&results[i]))
            return fc_report_wrong(report, "results: element %zu" FC_NOT_INITIALISED, i);
    for (size_t i = 0; details != NULL && i < count; i++)
        if (!fc_buf_is_valid(&details[i]))
            return fc_report_wrong(report, "details: element %zu" FC_NOT_INITIALISED, i);
    return true;
}

static bool check_options(const struct forkcall_map_options *o, struct forkcall_report *report)
{
    static const uint64_t zero[sizeof o->reserved / sizeof *o->reserved];
    if (memcmp(o->reserved, zero, sizeof zero) != 0)
        return fc_report_wrong(report, "reserved: is not all 0; options begin as {0}");
    if (o->processes > PROCESSES_MAX)
        return fc_report_wrong(report, "processes: %zu is more than 65536", o->processes);
    if (o->call.output != NULL)
        return fc_report_wrong(report, "call.output: is not NULL; a map has an output callback of its own");
    if (o->call.progress != NULL)
        return fc_report_wrong(report, "call.progress: is not NULL; a map has a progress callback of its own");
    if (o->call.user != NULL)
        return fc_report_wrong(report, "call.user: is not NULL; a map has a user of its own");
    if (o->call.details != NULL)
        return fc_report_wrong(report, "call.details: is not NULL; a map has an array of its own");
    return true;
}

void fc_map_name_field(struct forkcall_report *report)
{
    char message[sizeof report->message];
    memcpy(message, report->message, sizeof message);
    if (strncmp(message, "fn:", 3) != 0 && strncmp(message, "output:", 7) != 0)
        fc_report_message(report, "call.%s", message);
}

bool fc_map_check(const void *items, size_t item_size, size_t count, const struct forkcall_buf *results,
                  const struct forkcall_map_options *options, struct forkcall_report *report)
{
    return check_sizes(items, item_size, count, report) && check_options(options, report) &&
           check_bufs(count, results, options->details, report);
}
