/* HOST: Ends a call: gathers the facts, and writes what became of the call into its report. No
 * other file sets the status. */
#include "call/call.h"

#include "base/fd_message.h"
#include "base/io.h"
#include "base/report_message.h"
#include "base/tools.h"
#include "call/hazards.h"
#include "call/kept_notices.h"
#include "call/last_words.h"
#include "call/where.h"
#include "config.h"
#include "crash/crash_decode.h"
#include "exec/exec_self.h"
#include "os/oom_kills.h"
#include "os/start_gate.h"
#include "os/threads.h"
#include "os/usage.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

/* ---- A call that has begun ------------------------------------------------------------------- */

bool fc_call_has_done_its_work(const struct forkcall_call *call)
{
    return fc_outcome_is_answer(&call->reply, call->cause, call->result_error);
}

/* Asked only where nothing better is known of the child: a system call for each call would be in
 * vain. */
static uint64_t host_peak_bytes(const struct forkcall_call *call)
{
    struct rusage own;
    if (!FC_EXEC_KEEPS_PEAK || call->report.method != FORKCALL_SPAWN)
        return 0;
    if (call->reply.done && call->reply.trailer.usage_known != 0)
        return UINT64_MAX;
    return getrusage(RUSAGE_SELF, &own) < 0 ? UINT64_MAX : fc_usage_peak_bytes(&own);
}

/* The last report of progress, if it is of the item that was at work. */
static const struct fc_last_progress *last_progress(const struct forkcall_call *call)
{
    const uint64_t item = call->items_begun != NULL ? atomic_load(call->items_begun) : 0;
    const bool counts = call->reply.has_progress && call->reply.progress.numbers.item == item;
    return counts ? &call->reply.progress : NULL;
}

/* Read only where it may explain an end. */
static int64_t oom_kills(const struct forkcall_call *call, const struct fc_ending *ending)
{
    const bool is_killed =
        ending->status_known && WIFSIGNALED(ending->wait_status) && WTERMSIG(ending->wait_status) == SIGKILL;
    return is_killed && call->cause == FC_CAUSE_NONE ? fc_oom_kills_since(call->oom_kills_before) : -1;
}

static struct fc_facts gather(const struct forkcall_call *call, const struct fc_ending *ending)
{
    const struct forkcall_buf *tail = &call->stderr_tail;
    size_t line_size = 0;
    const char *line =
        (fc_tools() & FC_TOOLS_SANITIZERS) == 0 ? NULL : fc_tools_find_report(tail->data, tail->size, &line_size);
    return (struct fc_facts){.options = &call->options,
                             .reply = &call->reply,
                             .ending = ending,
                             .method = call->report.method,
                             .cause = call->cause,
                             .start_error = call->start_error,
                             .start_size = call->start_size,
                             .start_left = call->reply.done ? 0 : fc_start_gate_left(call->fds.fd[FC_FD_GO]),
                             .awaited_ready = call->awaits_ready,
                             .result_error = call->result_error,
                             .max_result = call->task.max_result,
                             .shares_addresses = call->child_shares_addresses,
                             .has_server = call->process.remote != NULL,
                             .measured = call->task.measure,
                             .tools = fc_tools(),
                             .oom_kills = oom_kills(call, ending),
                             .stderr_tail = tail->data,
                             .stderr_tail_size = tail->size,
                             .tool_line = line,
                             .tool_line_size = line_size,
                             .host_peak_bytes = host_peak_bytes(call),
                             .progress = last_progress(call),
                             .look = &call->look};
}

static void set_crash(struct forkcall_call *call, const struct fc_ending *ending)
{
    const struct forkcall_buf *notice = &call->reply.crash;
    struct forkcall_crash *crash = &call->report.crash;
    if (!call->reply.has_crash || call->reply.done || call->task.no_crash_capture)
        return;
    fc_crash_decode(crash, notice->data, notice->size, call->child_shares_addresses);
    if (!fc_outcome_crash_is_true(crash, ending))
        memset(crash, 0, sizeof *crash);
}

/* Keeps what all threads have told, without a notice of which only a part has come. */
static uint64_t keep_told(struct forkcall_call *call)
{
    forkcall_buf_truncate(&call->reply.where, call->reply.where_size);
    return fc_notice_keep(&call->reply.where, call->report.pid, call->child_shares_addresses);
}

/* What the child has told when it was asked. To read it takes the loader's lock, which another
 * thread may hold for any time: then no deadline would end the call. Where there may be another
 * thread, forkcall_explain reads it later. */
static void set_where(struct forkcall_call *call)
{
    struct forkcall_crash *crash = &call->report.crash;
    struct fc_told first;
    size_t at = 0;
    if (call->report.status != FORKCALL_TIMED_OUT && call->report.status != FORKCALL_CANCELED)
        return;
    if (call->reply.has_where && fc_told_next(&call->reply.where, &at, &first)) {
        const bool is_read_later = fc_may_have_other_threads();
        memset(crash, 0, sizeof *crash);
        crash->thread = fc_crash_thread(first.notice);
        if (!is_read_later)
            fc_where_decode(crash, &first, call->child_shares_addresses);
        if (is_read_later || call->reply.others_told > 0)
            call->report.reserved[3] = keep_told(call);
        call->report.reserved[1] = is_read_later;
    }
    crash->thread_count = call->look.threads;
}

/* SPAWN stops re-executing a program of which every instance ends before forkcall_init(). */
static void count_instance(const struct forkcall_call *call, const struct fc_ending *ending, enum fc_decided_by by)
{
    if (by == FC_DECIDED_BY_TRAILER && call->awaits_ready)
        fc_exec_self_served();
    else if (by == FC_DECIDED_BY_NOT_READY && call->cause != FC_CAUSE_NOT_READY && ending->status_known)
        fc_exec_self_failed(ending->wait_status);
}

/* The report has no room for what the child has said last. */
static void keep_last_words(const struct forkcall_call *call, struct forkcall_report *report)
{
    const struct forkcall_buf *tail = &call->stderr_tail;
    if (report->status != FORKCALL_OK && tail->size > 0)
        report->reserved[0] = fc_last_words_keep(tail->data, tail->size);
}

void fc_call_conclude(struct forkcall_call *call, const struct fc_ending *ending)
{
    struct forkcall_report *report = &call->report;
    fc_call_take_result(call);
    const struct fc_facts facts = gather(call, ending);
    set_crash(call, ending);
    report->pid = call->process.pid;
    report->elapsed_ns = fc_now_ns() - call->start_ns;
    report->hints = fc_hints(&call->hint_scan, &report->crash);
    const enum fc_decided_by by = fc_outcome_decide(&facts, report);
    report->hints |= (uint16_t)fc_outcome_tool_hint(&facts, by, report);
    set_where(call);
    fc_outcome_describe(&facts, by, report);
    keep_last_words(call, report);
    count_instance(call, ending, by);
    /* A library that makes a fork unsafe may explain a failure. A call that succeeds does not pay
     * for the search. */
    if (report->status != FORKCALL_OK && report->method != FORKCALL_INLINE)
        report->hazards |= fc_hazard_of_libraries();
    fc_call_set_stage(call, FC_STAGE_DONE, UINT64_MAX);
}

void fc_call_report_item(const struct forkcall_call *call, const struct fc_trailer *trailer,
                         const struct forkcall_buf *message, int result_error, size_t max_result,
                         struct forkcall_report *report)
{
    static const struct fc_ending not_waited_for = {.wait_status = -1};
    struct fc_reply reply;
    fc_reply_init(&reply);
    reply.done = true;
    reply.trailer = *trailer;
    reply.message = *message; /* is not freed with this one */
    const struct fc_facts facts = {.options = &call->options,
                                   .reply = &reply,
                                   .ending = &not_waited_for,
                                   .method = call->report.method,
                                   .result_error = result_error,
                                   .max_result = max_result};
    memset(report, 0, sizeof *report);
    report->method = call->report.method;
    report->hazards = call->report.hazards;
    report->fn = call->report.fn;
    fc_report_name(report, call->options.name);
    report->pid = call->process.pid;
    report->elapsed_ns = fc_now_ns() - call->start_ns;
    const enum fc_decided_by by = fc_outcome_decide(&facts, report);
    fc_outcome_describe(&facts, by, report);
    keep_last_words(call, report);
    if (report->status != FORKCALL_OK)
        report->hazards |= fc_hazard_of_libraries();
}

/* ---- A call that has not begun --------------------------------------------------------------- */

static void end_without_run(struct forkcall_call *call, enum forkcall_status status, enum forkcall_ran ran, int code)
{
    call->report.status = status;
    call->report.ran = ran;
    call->report.code = code;
    call->report.pid = call->process.pid;
    call->report.elapsed_ns = fc_now_ns() - call->start_ns;
    fc_call_set_stage(call, FC_STAGE_DONE, UINT64_MAX);
}

void fc_call_end_early(struct forkcall_call *call, enum forkcall_status status, int code, const char *format, ...)
{
    va_list arguments;
    /* Such a library may explain what went wrong. */
    call->report.hazards |= fc_hazard_of_libraries();
    if (format != NULL) {
        va_start(arguments, format);
        fc_report_vmessage(&call->report, format, arguments);
        va_end(arguments);
    }
    end_without_run(call, status, FORKCALL_RAN_NO, code);
}

void fc_call_not_started(struct forkcall_call *call, int error, const char *step)
{
    fc_call_end_early(call, FORKCALL_NOT_STARTED, error, "%s: %s", step,
                      error == ETOOMANYREFS ? FC_TOO_MANY_UNDER_WAY : strerror(error));
}

bool fc_call_is_given_up(struct forkcall_call *call, int r, const char *doing)
{
    if (r == -EINTR)
        fc_call_end_early(call, FORKCALL_CANCELED, 0, "canceled by the caller");
    else if (r == -ETIMEDOUT && fc_now_ns() >= call->deadline_ns)
        fc_call_end_early(call, FORKCALL_TIMED_OUT, 0, "no answer within %d ms: %s", call->options.timeout_ms, doing);
    else
        return false;
    return true;
}

/* ---- A call that cannot be asked any more ---------------------------------------------------- */

void fc_call_end_elsewhere(struct forkcall_call *call)
{
    fc_fds_forget(&call->fds);
    fc_report_message(&call->report, "the call was started in another process (%ld)", (long)call->owner);
    end_without_run(call, FORKCALL_LOST, FORKCALL_RAN_UNKNOWN, 0);
}

void fc_call_lose_result(struct forkcall_call *call)
{
    call->report.status = FORKCALL_TOO_BIG;
    call->report.code = EFBIG;
    fc_report_message(&call->report, "the result's buffer has become smaller since forkcall_start()");
}
