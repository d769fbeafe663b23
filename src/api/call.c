/* HOST: forkcall_run, forkcall_start and what is called for a started call. */
#include "api/call.h"

#include "base/fd_message.h"
#include "base/io.h"
#include "base/kept.h"
#include "base/poll_fds.h"
#include "base/report_message.h"
#include "base/shared_args.h"
#include "call/hazards.h"
#include "call/options.h"
#include "call/unreaped.h"
#include "call/wakeup.h"
#include "child/finish.h"
#include "child/inline.h"
#include "child/run.h"
#include "exec/exec_self.h"
#include "method/table.h"
#include "os/oom_kills.h"
#include "result/buf.h"
#include "result/region.h"
#include "result/shared_buf.h"
#include "server/take_child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Beginning ------------------------------------------------------------------------------- */

static int compare_ints(const void *a, const void *b)
{
    const int left = *(const int *)a;
    const int right = *(const int *)b;
    return (left > right) - (left < right);
}

/* Copies keep_fds, sorted, without doubles and without 0 to 2. Behind them is room for the
 * descriptors of the child itself (FC_TASK_OWN_FDS). */
static int copy_keep_fds(struct forkcall_call *call, const struct fc_method *method)
{
    const struct forkcall_options *o = &call->options;
    size_t count = 0;
    if (method->shares_addresses ? !o->close_fds : o->keep_fds_count == 0)
        return 0;
    call->keep_fds = malloc((o->keep_fds_count + FC_TASK_OWN_FDS) * sizeof *call->keep_fds);
    if (call->keep_fds == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < o->keep_fds_count; i++)
        if (o->keep_fds[i] > 2)
            call->keep_fds[count++] = o->keep_fds[i];
    qsort(call->keep_fds, count, sizeof *call->keep_fds, compare_ints);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || call->keep_fds[kept - 1] != call->keep_fds[i])
            call->keep_fds[kept++] = call->keep_fds[i];
    call->task.keep_fds = call->keep_fds;
    call->task.keep_fds_count = kept;
    return 0;
}

static uint64_t make_nonce(const struct forkcall_call *call)
{
    return (call->start_ns << 20) ^ ((uint64_t)call->owner << 44) ^ call->number;
}

static void fill_task(struct forkcall_call *call, forkcall_fn *fn, const void *args, size_t args_size)
{
    const struct forkcall_options *o = &call->options;
    const size_t of_options = o->max_result == 0 ? PTRDIFF_MAX : o->max_result;
    const size_t of_buf = call->result != NULL ? fc_buf_limit(call->result) : PTRDIFF_MAX;
    struct fc_task *task = &call->task;
    task->fn = fn;
    task->args = args;
    task->args_size = args_size;
    task->nonce = make_nonce(call);
    task->max_result = of_options < of_buf ? of_options : of_buf;
    task->drop_result = call->result == NULL;
    task->expected = fc_region_expected(fn);
    task->tell_started = fc_call_trace_wants_running(call);
    task->want_progress = o->progress != NULL;
    task->close_fds = o->close_fds;
    task->no_crash_capture = o->no_crash_capture;
    task->stream[0] = o->standard_input;
    task->stream[1] = o->standard_output;
    task->stream[2] = o->standard_error;
    task->line_buffered = o->standard_output == FORKCALL_STREAM_CAPTURE;
    task->limits = o->limits;
    call->rules = (struct fc_reply_rules){.nonce = task->nonce,
                                          .max_result = task->drop_result ? 0 : task->max_result,
                                          .shares_buf = task->shared.data != NULL,
                                          .progress = o->progress,
                                          .may_call_back = fc_call_may_call_back,
                                          .call = call,
                                          .user = o->user};
}

/* A shared buffer is filled by the child itself, if the child has this process's memory or gets the
 * descriptor. Else the result travels as any other, and is copied there. False: the call has ended,
 * because there is no memory. */
static bool claim_result(struct forkcall_call *call, const struct fc_method *method)
{
    if (call->result == NULL || call->result->kind_private != FC_BUF_SHARED)
        return true;
    const int r = fc_shared_buf_claim(call->result, &call->task.shared);
    if (r < 0) {
        fc_call_not_started(call, -r, "result: memory for the shared buffer");
        return false;
    }
    call->claims_result = true;
    if (!method->shares_addresses && fc_shared_buf_fd(call->result) < 0)
        call->task.shared.data = NULL;
    return true;
}

struct args {
    const void *aligned;
    void *on_heap; /* or NULL */
    _Alignas(max_align_t) unsigned char in_place[128];
};

/* The function gets arguments that are aligned for any type. If the caller's bytes are not, they
 * are copied: in place if they fit, because writing to the heap while a forked child lives costs a
 * page copy. */
static int align_args(const struct forkcall_call *call, struct args *args, size_t size)
{
    const struct fc_time_limit time_limit = fc_call_time_limit(call, UINT64_MAX);
    int r = 0;
    args->on_heap = NULL;
    if (size == FORKCALL_BY_POINTER || size == 0 || (uintptr_t)args->aligned % _Alignof(max_align_t) == 0)
        return 0;
    void *copy = args->in_place;
    if (size > sizeof args->in_place)
        copy = args->on_heap = malloc(size);
    if (copy == NULL)
        return -ENOMEM;
    for (size_t at = 0; r == 0 && at < size;) {
        const size_t piece = size - at < FC_ARGS_PIECE ? size - at : FC_ARGS_PIECE;
        memcpy((char *)copy + at, (const char *)args->aligned + at, piece);
        at += piece;
        r = at < size ? fc_time_limit_left(&time_limit) : 0;
    }
    args->aligned = copy;
    return r;
}

/* Descriptors for the call, and a child for it, or the call's end. */
static void start_child(struct forkcall_call *call, const struct fc_method *method)
{
    int r = fc_fds_open(&call->fds);
    if (r == 0 && call->async)
        r = fc_wakeup_open(&call->fds);
    if (r < 0)
        fc_call_not_started(call, -r, "a descriptor to wait for");
    else
        method->start(call);
    /* The child already runs, so this costs no time if it has a processor of its own: once in a
     * process some files are read, to tell later whether a child was killed for lack of memory. */
    call->oom_kills_before = fc_oom_kills_before();
    /* A call of forkcall_start that has ended keeps the descriptors that the host waits for. */
    if (call->fds.listed && (call->stage == FC_STAGE_RUNNING || call->async))
        fc_fds_remember(&call->fds, FC_FD_REPLY, FC_FD_COUNT);
}

/* method: NULL for INLINE. */
static void start(struct forkcall_call *call, const struct fc_method *method, forkcall_fn *fn, const void *args,
                  size_t args_size)
{
    struct args aligned = {.aligned = args, .on_heap = NULL};
    int r = method != NULL ? copy_keep_fds(call, method) : 0;
    if (r == 0 && method != NULL && !claim_result(call, method))
        return;
    if (r == 0)
        r = align_args(call, &aligned, args_size);
    if (r == 0) {
        fill_task(call, fn, aligned.aligned, args_size);
        if (method != NULL)
            start_child(call, method);
        else
            fc_call_run_inline(call);
    } else if (!fc_call_is_given_up(call, r, FC_COPYING_ARGS)) {
        fc_call_not_started(call, -r, "memory for the call");
    }
    free(aligned.on_heap);
}

/* True: all that the caller has given is right. Else the call has ended, and the caller's buffers
 * stay as they are. */
static bool check(struct forkcall_call *call, forkcall_fn *fn, const void *args, size_t args_size)
{
    if (fc_options_from_environment(&call->options, &call->report) &&
        fc_options_check(fn, args, args_size, call->result, &call->options, &call->report))
        return true;
    fc_call_set_method(call, call->options.method, false);
    fc_call_end_early(call, FORKCALL_NOT_STARTED, EINVAL, NULL); /* the message is there */
    call->result = NULL;
    call->options.details = NULL;
    return false;
}

/* Whether the call may go by that method now. Else it has ended. */
static bool is_safe(struct forkcall_call *call, const struct fc_method *method)
{
    call->report.hazards = fc_hazards_to_refuse();
    if (method == NULL || !method->refuses(call))
        return true;
    fc_call_end_early(call, FORKCALL_UNSAFE, 0, NULL); /* the method has said why */
    return false;
}

/* Check, choose, start: then the call runs, or has ended. */
static void begin(struct forkcall_call *call, forkcall_fn *fn, const void *args, size_t args_size)
{
    if (fc_exec_self_is_unfinished())
        _exit(FC_EXIT_BEFORE_INIT);
    if (!check(call, fn, args, args_size)) {
        fc_call_trace_start(call);
        return;
    }
    fc_call_set_deadline(call);
    const enum forkcall_method chosen = fc_method_choose(call->options.method, args_size == FORKCALL_BY_POINTER);
    const struct fc_method *method = fc_method_of(chosen);
    fc_call_set_method(call, chosen, method == NULL || method->shares_addresses);
    fc_call_trace_start(call);
    fc_unreaped_reap();
    if (is_safe(call, method))
        start(call, method, fn, args, args_size);
    if (call->stage != FC_STAGE_DONE && call->process.pid > 0)
        fc_call_trace(call, FORKCALL_TRACE_READY);
    if (call->stage == FC_STAGE_DONE && call->fds.listed && call->async)
        fc_wakeup_wake(&call->fds);
}

/* ---- Ending ---------------------------------------------------------------------------------- */

static void debug(const struct forkcall_call *call)
{
    char text[2048];
    if ((call->report.status == FORKCALL_OK && call->report.message[0] == '\0') || !call->debugs)
        return;
    forkcall_explain(&call->report, text, sizeof text);
    fprintf(stderr, "forkcall: %s\n", text);
}

/* Loop, outcome, deliver, release. */
static void end(struct forkcall_call *call)
{
    if (call->owner == getpid())
        fc_call_loop(call, UINT64_MAX);
    else
        fc_call_end_elsewhere(call);
    fc_call_deliver(call);
    if (call->process.server != NULL && call->owner == getpid())
        fc_server_give_back_child(call, call->process.own_group && !fc_call_has_done_its_work(call));
    fc_fds_close_all(&call->fds);
    fc_reply_free(&call->reply);
    forkcall_buf_free(&call->kept_result);
    forkcall_buf_free(&call->stderr_tail);
    free(call->keep_fds);
    fc_call_trace(call, FORKCALL_TRACE_END);
    debug(call);
}

/* ---- The public functions -------------------------------------------------------------------- */

struct forkcall_report forkcall_run(forkcall_fn *fn, const void *args, size_t args_size, struct forkcall_buf *result,
                                    const struct forkcall_options *options)
{
    struct forkcall_call call;
    fc_child_check_escape(__builtin_frame_address(0));
    const struct fc_kept kept = fc_keep();
    fc_call_init(&call, fn, result, options, false);
    begin(&call, fn, args, args_size);
    end(&call);
    fc_restore(kept);
    return call.report;
}

struct forkcall_report run_in_forked_process(forkcall_fn *fn, const void *args, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.method = FORKCALL_FORK};
    return forkcall_run(fn, args, FORKCALL_BY_POINTER, result, &options);
}

int fc_call_start_as(forkcall_fn *reported, struct forkcall_call **call, forkcall_fn *fn, const void *args,
                     size_t args_size, struct forkcall_buf *result, const struct forkcall_options *options)
{
    if (call == NULL)
        return -EINVAL;
    fc_child_check_escape(__builtin_frame_address(0));
    const struct fc_kept kept = fc_keep();
    *call = malloc(sizeof **call);
    const int r = *call == NULL ? -ENOMEM : 0;
    if (r == 0) {
        fc_call_init(*call, reported, result, options, true);
        begin(*call, fn, args, args_size);
    }
    fc_restore(kept);
    return r;
}

int forkcall_start(struct forkcall_call **call, forkcall_fn *fn, const void *args, size_t args_size,
                   struct forkcall_buf *result, const struct forkcall_options *options)
{
    return fc_call_start_as(fn, call, fn, args, args_size, result, options);
}

static int open_loop(struct forkcall_call *call)
{
    int r = 0;
    if (!call->fds.listed) /* INLINE, or a call that ended before it had descriptors */
        r = fc_fds_open(&call->fds);
    if (r == 0 && call->fds.fd[FC_FD_WAKE] < 0)
        r = fc_wakeup_open(&call->fds);
    if (r < 0)
        return r;
    const int cancel_fd = call->options.cancel_fd_plus_one - 1;
    const int fd = fc_wakeup_fd(&call->fds, call->stage == FC_STAGE_RUNNING ? cancel_fd : -1);
    fc_fds_remember(&call->fds, FC_FD_WAKE, FC_FD_TIMER + 1);
    if (call->stage != FC_STAGE_DONE)
        fc_call_rearm(call, true);
    /* Some things cannot be watched (a regular file as cancel_fd), or have happened already. */
    if (call->stage == FC_STAGE_DONE || atomic_load(&call->cancel_requested) ||
        (cancel_fd >= 0 && fc_poll_says(cancel_fd, POLLIN)))
        fc_wakeup_wake(&call->fds);
    return fd;
}

int forkcall_fd(struct forkcall_call *call)
{
    if (call == NULL)
        return -EINVAL;
    if (call->owner != getpid())
        return -EPERM;
    const struct fc_kept kept = fc_keep();
    fc_call_come_back(call);
    const int fd = open_loop(call);
    fc_restore(kept);
    return fd;
}

int forkcall_wait(struct forkcall_call *call, int timeout_ms)
{
    if (call == NULL || timeout_ms < -1)
        return -EINVAL;
    if (call->owner != getpid())
        return -EPERM;
    const uint64_t until = timeout_ms < 0 ? UINT64_MAX : fc_now_ns() + (uint64_t)timeout_ms * 1000000U;
    const struct fc_kept kept = fc_keep();
    fc_call_come_back(call);
    const bool done = fc_call_loop(call, until);
    fc_restore(kept);
    return done ? 1 : 0;
}

int forkcall_cancel(struct forkcall_call *call)
{
    if (call == NULL)
        return -EINVAL;
    if (call->owner != getpid())
        return -EPERM;
    const struct fc_kept kept = fc_keep();
    atomic_store(&call->cancel_requested, true);
    if (call->fds.listed && call->async && fc_fds_has(&call->fds, FC_FD_WAKE))
        fc_wakeup_wake(&call->fds);
    fc_restore(kept);
    return 0;
}

struct forkcall_report forkcall_finish(struct forkcall_call *call)
{
    struct forkcall_report report;
    if (call == NULL) {
        memset(&report, 0, sizeof report);
        report.status = FORKCALL_NOT_STARTED;
        report.ran = FORKCALL_RAN_NO;
        report.code = EINVAL;
        report.wait_status = -1;
        fc_report_message(&report, "call: is NULL");
        return report;
    }
    const struct fc_kept kept = fc_keep();
    if (call->owner == getpid())
        fc_call_come_back(call);
    end(call);
    report = call->report;
    free(call);
    fc_restore(kept);
    return report;
}
