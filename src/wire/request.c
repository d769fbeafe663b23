/* HOST, CHILD: Writes and reads a request. */
#include "wire/request.h"

#include "base/io.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define MAGIC 0x714c4346U /* "FCLq" */

static size_t padded(size_t size)
{
    return (size + FC_REQUEST_ALIGN - 1) / FC_REQUEST_ALIGN * FC_REQUEST_ALIGN;
}

void fc_request_make(struct fc_request_parts *request, const struct fc_task *task,
                     const struct fc_module_function *name, bool args_in_file)
{
    static const char zero[FC_REQUEST_ALIGN];
    const size_t name_size = offsetof(struct fc_module_function, path) + name->path_size;
    request->head = (struct fc_request){
        .magic = MAGIC,
        .name_size = (uint32_t)name_size,
        .drop_result = task->drop_result,
        .want_progress = task->want_progress,
        .own_group = task->own_group,
        .lifeline = task->lifeline,
        .has_args = task->args != NULL,
        .args_in_file = args_in_file,
        .line_buffered = task->line_buffered,
        .keep = task->keep,
        .no_crash_capture = task->no_crash_capture,
        .tell_started = task->tell_started,
        .frame_mark = task->frame_mark,
        .may_grow = task->may_grow,
        .group = (int32_t)task->group,
        .nonce = task->nonce,
        .args_size = task->args_size,
        .max_result = task->max_result,
        .expected = task->expected,
        .shared_capacity = task->shared.capacity,
        .shared_huge = task->shared.huge,
        .shared_largest = task->shared.largest,
        .limits = task->limits,
        .caller = *task->caller,
    };
    /* The child gets a captured stream as a descriptor, at its number. */
    for (int i = 0; i < 3; i++)
        request->head.stream[i] =
            (uint8_t)(task->stream[i] == FORKCALL_STREAM_NULL ? FORKCALL_STREAM_NULL : FORKCALL_STREAM_INHERIT);
    request->count = 0;
    request->parts[request->count++] = fc_part(&request->head, sizeof request->head);
    request->parts[request->count++] = fc_part(name, name_size);
    if (!args_in_file && task->args_size > 0) {
        request->parts[request->count++] = fc_part(zero, padded(name_size) - name_size);
        request->parts[request->count++] = fc_part(task->args, task->args_size);
    }
    request->parts[request->count++] = fc_part("g", 1);
    request->parts[request->count++] =
        /* The nonce, see os/start_gate.h. */
        fc_part(&request->head.nonce, sizeof request->head.nonce);
}

static bool has_args_in_rest(const struct fc_request *head)
{
    return !head->args_in_file && head->args_size > 0;
}

long fc_request_remaining(const struct fc_request *head)
{
    if (head->magic != MAGIC || head->name_size <= offsetof(struct fc_module_function, path) ||
        head->name_size > sizeof(struct fc_module_function))
        return -EPROTO;
    if (!has_args_in_rest(head))
        return (long)head->name_size;
    if (head->args_size > FC_REQUEST_ARGS_MAX)
        return -EPROTO;
    return (long)(padded(head->name_size) + head->args_size);
}

const struct fc_module_function *fc_request_read(const struct fc_request *head, const unsigned char *rest,
                                                 struct fc_task *task)
{
    const struct fc_module_function *name = (const void *)rest;
    if (head->name_size != offsetof(struct fc_module_function, path) + name->path_size)
        return NULL;
    task->group = (pid_t)head->group;
    task->nonce = head->nonce;
    task->max_result = (size_t)head->max_result;
    task->expected = (size_t)head->expected;
    task->shared = (struct fc_shared_place){.capacity = (size_t)head->shared_capacity,
                                            .huge = (size_t)head->shared_huge,
                                            .largest = (size_t)head->shared_largest};
    task->args_size = (size_t)head->args_size;
    task->drop_result = head->drop_result;
    task->want_progress = head->want_progress;
    task->own_group = head->own_group;
    task->line_buffered = head->line_buffered;
    task->keep = head->keep;
    task->no_crash_capture = head->no_crash_capture;
    task->tell_started = head->tell_started;
    task->frame_mark = head->frame_mark;
    task->may_grow = head->may_grow;
    task->lifeline = head->lifeline;
    task->limits = head->limits;
    task->caller = &head->caller;
    for (int i = 0; i < 3; i++)
        task->stream[i] = (enum forkcall_stream)head->stream[i];
    task->args = NULL;
    if (has_args_in_rest(head))
        task->args = rest + padded(head->name_size);
    else if (head->has_args)
        task->args = rest; /* not NULL, but of 0 bytes; or the child maps the file */
    return name;
}
