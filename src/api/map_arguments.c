/* HOST: Checks what forkcall_map is given. */
#include "api/map_arguments.h"

#include "result/buf.h"

#include <string.h>

#define PROCESSES_MAX 65536U

static bool is_array(size_t count, size_t size)
{
    return count <= PTRDIFF_MAX / (size > 0 ? size : 1);
}

static const char *check_sizes(const void *items, size_t item_size, size_t count)
{
    const size_t size = item_size == FORKCALL_BY_POINTER ? sizeof(void *) : item_size;
    if (size > PTRDIFF_MAX)
        return "item_size: more than any object has";
    if (!is_array(count, size) || !is_array(count, sizeof(struct forkcall_report)))
        return "count: more items than memory can hold";
    if (items == NULL && size > 0 && count > 0)
        return "items: is NULL, but item_size is not 0";
    return NULL;
}

static const char *check_bufs(size_t count, const struct forkcall_buf *results, const struct forkcall_buf *details)
{
    if (details != NULL && details == results)
        return "details: is the same array as results";
    for (size_t i = 0; results != NULL && i < count; i++)
        if (!fc_buf_is_valid(&results[i]))
            return "results: one was not initialised by FORKCALL_BUF_INIT or forkcall_buf_fixed, or its storage is "
                   "NULL";
    for (size_t i = 0; details != NULL && i < count; i++)
        if (!fc_buf_is_valid(&details[i]))
            return "details: one was not initialised by FORKCALL_BUF_INIT or forkcall_buf_fixed, or its storage is "
                   "NULL";
    return NULL;
}

static const char *check_options(const struct forkcall_map_options *o)
{
    static const uint64_t zero[sizeof o->reserved / sizeof *o->reserved];
    if (memcmp(o->reserved, zero, sizeof zero) != 0)
        return "reserved: is not all 0";
    if (o->processes > PROCESSES_MAX)
        return "processes: more than 65536";
    if (o->call.output != NULL)
        return "call.output: is not NULL; a map has an output callback of its own";
    if (o->call.progress != NULL)
        return "call.progress: is not NULL; a map has a progress callback of its own";
    if (o->call.user != NULL)
        return "call.user: is not NULL; a map has a user of its own";
    if (o->call.details != NULL)
        return "call.details: is not NULL; a map has an array of its own";
    return NULL;
}

const char *fc_map_check(const void *items, size_t item_size, size_t count, const struct forkcall_buf *results,
                         const struct forkcall_map_options *options)
{
    const char *wrong = check_sizes(items, item_size, count);
    if (wrong == NULL)
        wrong = check_options(options);
    return wrong != NULL ? wrong : check_bufs(count, results, options->details);
}
