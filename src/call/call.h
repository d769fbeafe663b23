/* HOST: A call, from its start to its report. */
#ifndef FC_CALL_CALL_H
#define FC_CALL_CALL_H

#include "base/descriptors.h"
#include "base/time_limit.h"
#include "call/outcome.h"
#include "call/reply_reader.h"
#include "crash/symptoms.h"
#include "os/process.h"
#include "os/process_look.h"
#include "wire/task.h"

#include <forkcall.h>

#include <poll.h>
#include <stdatomic.h>

/* A call moves on from its stage to a later one, and to no other: fc_call_set_stage does nothing
 * where a call is as far already. So a call that is done stays done. */
enum fc_stage {
    FC_STAGE_RUNNING,     /* deadline_ns is that of the options */
    FC_STAGE_TERMINATING, /* SIGTERM was sent; deadline_ns is the end of the grace */
    /* SIGKILL comes next, for a timeout or a cancel. The child was asked where its function is, and
     * may answer until deadline_ns. */
    FC_STAGE_ASKED,
    FC_STAGE_ANSWERED, /* the trailer has come; the process may take until deadline_ns to end */
    /* SIGKILL was sent, or nothing is left to wait for but the end of the process, until
     * deadline_ns. */
    FC_STAGE_KILLED,
    FC_STAGE_DONE, /* the report stands */
};

/* A call. fc_call_init sets all members. Later each group of members is assigned by the files, or
 * the folders, that its line names, and read by all (.ci/writers.py checks that). */
struct forkcall_call {
    /* ---- call/state.c, api/call.c: what the caller wants ---- */
    struct forkcall_options options;
    struct forkcall_buf *result; /* the caller's; NULL: none wanted */
    uint64_t start_ns;
    uint64_t number;    /* counts the calls of a process and of those it was forked from */
    pid_t owner;        /* the process that started the call */
    bool async;         /* started by forkcall_start: forkcall_cancel may come from any thread */
    bool claims_result; /* the result is a shared buffer, which no other call may use meanwhile */
    /* Of a call that serves items: where the child notes how many it has begun; else NULL. */
    const _Atomic(uint32_t) *items_begun;

    /* ---- call/state.c: the state of the call ---- */
    enum fc_stage stage;
    /* The child is a re-executed program, which says when it is ready. */
    bool awaits_ready;
    bool child_shares_addresses; /* the child had this process's modules, at the same addresses */
    uint64_t deadline_ns;        /* of the stage; UINT64_MAX: none */
    uint64_t callbacks_until_ns; /* the deadline of the options, then the end of the grace */
    uint64_t ready_by_ns;        /* UINT64_MAX: none, or the child is ready */

    /* ---- server/early_module.c: which child it can use ---- */
    uint32_t module;   /* the number of the function's module */
    bool drops_spares; /* it takes none, and gives back those that lie ready */

    /* ---- api/call.c: what the child may say ---- */
    struct fc_reply_rules rules;
    int *keep_fds; /* owned */

    /* ---- api/call.c, call/channel.c, method/: what the child is told ---- */
    struct fc_task task;

    /* ---- method/, server/, call/terminate.c: the child ---- */
    struct fc_process process; /* call/terminate.c drops a descriptor that the host has closed */

    /* ---- call/channel.c, server/: descriptors ---- */
    struct fc_fds fds; /* most by the functions of base/descriptors.c */

    /* ---- api/call.c: the start of the child ---- */
    int64_t oom_kills_before; /* -1: not known */

    /* ---- call/channel.c: the start of the child ---- */
    int start_error;   /* the errno for which the child was not told to begin; 0: it was */
    size_t start_size; /* bytes of the request and the start byte that were written */

    /* ---- call/loop.c, call/run_inline.c, call/ask_where.c: what the child says ---- */
    struct fc_reply reply; /* by call/reply_reader.c */
    uint64_t armed_ns;     /* the deadline that the wake-up timer is set to */
    unsigned polls;        /* how often a process without a descriptor was asked */
    bool unreapable;       /* the process has ended, and something keeps the kernel from telling */

    /* ---- call/output.c, call/state.c: captured streams ---- */
    bool late;  /* captured output is left in its pipe until the child is gone */
    bool quiet; /* the output callback has asked to cancel: no callback is called any more */
    struct forkcall_buf stderr_tail;
    struct fc_hint_scan hint_scan; /* of standard_error, or of the stream that it joins */

    /* ---- call/terminate.c, call/run_inline.c: why the library ends the call ---- */
    enum fc_cause cause;
    atomic_bool cancel_requested; /* by forkcall_cancel, in any thread */

    /* ---- call/ask_where.c: where the function was ---- */
    struct fc_process_look look;

    /* ---- call/trace.c: who hears of the call ---- */
    unsigned tracer; /* the number of the registration; 0: none */
    unsigned traced; /* a bit for each event that was told */
    bool debugs;     /* FORKCALL_DEBUG=1 */

    /* ---- call/take_result.c: the result ---- */
    bool result_taken;
    /* 0; -ENOMEM: the host has no memory for the result; -EPROTO: the child took it back. */
    int result_error;
    /* Between the end of a call of forkcall_start and forkcall_finish. */
    struct forkcall_buf kept_result;

    /* ---- call/fill_report.c, call/state.c, api/call.c: what the caller learns ---- */
    struct forkcall_report report;
};

/* ---- call/state.c ---------------------------------------------------------------------------- */

/* After its trailer, and after SIGKILL, a process has so long to end. */
#define FC_CALL_END_NS 1000000000U

/* A call that runs, with a copy of the options (NULL: all 0), and without a child. */
void fc_call_init(struct forkcall_call *call, forkcall_fn *fn, struct forkcall_buf *result,
                  const struct forkcall_options *options, bool async);

/* The time limit of the options, which were checked, counts from the start of the call. */
void fc_call_set_deadline(struct forkcall_call *call);

/* The same until deadline_ns from now on, for a call that runs many items one after another. Does
 * nothing in a call that does not run any more. fc_call_rearm follows. */
void fc_call_move_deadline(struct forkcall_call *call, uint64_t deadline_ns);

/* For a call that serves items: where the child notes how many it has begun. */
void fc_call_set_items(struct forkcall_call *call, const _Atomic(uint32_t) *begun);

/* The method that the call goes by, and whether its child has this process's modules at the same
 * addresses. */
void fc_call_set_method(struct forkcall_call *call, enum forkcall_method method, bool shares_addresses);

/* The call goes on to a later stage, which ends at deadline_ns (UINT64_MAX: never). */
void fc_call_set_stage(struct forkcall_call *call, enum fc_stage stage, uint64_t deadline_ns);

/* awaits: the child is a re-executed program, which must have come to forkcall_init by ready_by_ns
 * (UINT64_MAX: no matter when). */
void fc_call_await_ready(struct forkcall_call *call, bool awaits, uint64_t ready_by_ns);
/* The time for that has passed, and the child is not ready. True once. */
bool fc_call_is_late_for_ready(struct forkcall_call *call, uint64_t now_ns);

/* As long as the call's deadline, cancel_fd and forkcall_cancel let it, and for limit_ns at most
 * (UINT64_MAX: no such limit). All that a call waits for before its child runs is waited for in
 * this way. */
struct fc_time_limit fc_call_time_limit(const struct forkcall_call *call, uint64_t limit_ns);

/* A callback may be called: neither the deadline has passed nor is the call to be canceled. Asked
 * before each one, because each may take long: at most one is running when the deadline passes. */
bool fc_call_may_call_back(const struct forkcall_call *call);

void fc_call_close_fd(struct forkcall_call *call, enum fc_fd which);
bool fc_call_is_readable(const struct forkcall_call *call, enum fc_fd which);

/* ---- call/trace.c ---------------------------------------------------------------------------- */

/* Tells that the call begins, and finds out who hears of it. Its method is known. */
void fc_call_trace_start(struct forkcall_call *call);
/* Tells of another event, once. May call the host's code, after which fc_call_come_back is called
 * here. */
void fc_call_trace(struct forkcall_call *call, enum forkcall_trace_event event);
/* Tells what the child has said since the last time. */
void fc_call_trace_reply(struct forkcall_call *call);
/* The child must say when it begins the function, because somebody wants to hear that. */
bool fc_call_trace_wants_running(const struct forkcall_call *call);

/* ---- call/take_result.c ---------------------------------------------------------------------- */

/* Takes the result that the trailer announces, if there is one, and sets result_error. Does nothing
 * when it is called again. */
void fc_call_take_result(struct forkcall_call *call);

/* ---- call/fill_report.c ---------------------------------------------------------------------- */

/* The status is, or will be, OK or FAILED: then the processes that the function has started may go
 * on. Asked after fc_call_take_result, and before the child is reaped: afterwards the number of its
 * group may be another's. */
bool fc_call_has_done_its_work(const struct forkcall_call *call);

/* Ends a call whose process is gone, or is not waited for any more: writes the report. */
void fc_call_conclude(struct forkcall_call *call, const struct fc_ending *ending);

/* Writes the report of an item of a call that serves items. trailer and message: what the child
 * says of it; elapsed_ns: since the start of the call. */
void fc_call_report_item(const struct forkcall_call *call, const struct fc_trailer *trailer,
                         const struct forkcall_buf *message, int result_error, size_t max_result,
                         struct forkcall_report *report);

/* Ends a call before its function could run: status, ran NO, code, elapsed time and, where format
 * is not NULL, message. */
void fc_call_end_early(struct forkcall_call *call, enum forkcall_status status, int code, const char *format, ...)
    FORKCALL_PRINTF(4, 5);
/* The same for the start methods: NOT_STARTED, "step: " and the error's own words. error is
 * positive. */
void fc_call_not_started(struct forkcall_call *call, int error, const char *step);

/* r: of a step of the start, in which the call was doing something. True: the caller did not want
 * to wait any longer, and the report says so. */
bool fc_call_is_given_up(struct forkcall_call *call, int r, const char *doing);

/* Ends a call in another process than the one that has started it. */
void fc_call_end_elsewhere(struct forkcall_call *call);

/* An OK result does not fit into the caller's buffer, which was another at the start. */
void fc_call_lose_result(struct forkcall_call *call);

/* ---- call/run_inline.c ----------------------------------------------------------------------- */

/* Runs the task of a call by INLINE in this thread, and ends the call. */
void fc_call_run_inline(struct forkcall_call *call);

/* ---- call/ask_where.c ------------------------------------------------------------------------ */

/* Looks at a child that is to be ended, which does not notice that. */
void fc_call_look_where(struct forkcall_call *call);

/* Asks a child that is to be killed where its function is, which does not go on from then on. True:
 * the call is now in FC_STAGE_ASKED. False: there is nothing to wait for. */
bool fc_call_ask_where(struct forkcall_call *call);

/* In FC_STAGE_ASKED, when an answer has come: asks other threads within the same time. False: all
 * have answered, so the child can be killed. */
bool fc_call_hear_where(struct forkcall_call *call);

/* ---- call/terminate.c ------------------------------------------------------------------------ */

/* Ends a call that still runs. After a timeout or a cancel the child gets SIGTERM and the grace of
 * the options; else, and without a grace, SIGKILL at once. */
void fc_call_terminate(struct forkcall_call *call, enum fc_cause cause);
/* The same in FC_STAGE_TERMINATING, whose time has passed. */
void fc_call_end_grace(struct forkcall_call *call);
/* fc_call_terminate for FC_CAUSE_CANCEL. */
void fc_call_cancel(struct forkcall_call *call);
/* Sends SIGKILL to the child and its group at once. */
void fc_call_kill_all(struct forkcall_call *call);
/* The same for a child that was not told to begin, and the cause. */
void fc_call_kill(struct forkcall_call *call, enum fc_cause cause);

/* Called each time after the host's code has run. If that has closed a descriptor of the call, the
 * call ends. */
void fc_call_come_back(struct forkcall_call *call);

/* ---- call/loop.c ----------------------------------------------------------------------------- */

/* Moves a started call on until it is done (true), or until_ns has passed (false). */
bool fc_call_loop(struct forkcall_call *call, uint64_t until_ns);

/* One turn of that, for several calls under one poll(2): each that is not done fills its slots,
 * fc_call_poll polls them all, and each call takes a step. */
#define FC_CALL_SLOTS 6
void fc_call_fill_slots(const struct forkcall_call *call, struct pollfd slots[FC_CALL_SLOTS]);
/* How long that call lets the others wait, until until_ns at most; -1: for ever. */
int fc_call_poll_ms(struct forkcall_call *call, uint64_t until_ns);
/* used: room for all slots of all calls. */
void fc_call_poll(struct pollfd *slots, struct pollfd *used, size_t calls, int ms);
/* Whether there is something to do for the call. */
bool fc_call_is_due(const struct forkcall_call *call, const struct pollfd slots[FC_CALL_SLOTS]);
/* Does that. Returns the time, if the call is not done now. */
uint64_t fc_call_step(struct forkcall_call *call, const struct pollfd slots[FC_CALL_SLOTS]);
/* Called after that: the descriptor of a call that is done stays readable. */
void fc_call_wake_done(const struct forkcall_call *call);

/* What the child has left in memory that it shares with the host is nothing that the library
 * writes: the reply counts as malformed. False: the call has ended, and its report stands. */
bool fc_call_reject(struct forkcall_call *call);

/* For a call that serves items, whose deadline does nothing by itself: its item has taken longer
 * than it may. Does nothing to a call that does not run any more. */
void fc_call_time_out(struct forkcall_call *call);

/* Takes all that stands in the reply and in captured streams now. */
void fc_call_read_all(struct forkcall_call *call);

/* Sets the timer that wakes the event loop of the host. woken: its descriptor was readable, and is
 * made unreadable again. */
void fc_call_rearm(struct forkcall_call *call, bool woken);

/* ---- call/deliver.c -------------------------------------------------------------------------- */

/* Hands the result and the details to the caller. */
void fc_call_deliver(struct forkcall_call *call);

/* Replaces the details by a message and by what was written to standard_error, cut to the room that
 * there is. */
void fc_details_deliver(struct forkcall_buf *details, const struct forkcall_buf *message,
                        const struct forkcall_buf *stderr_tail);

/* The details (NULL: not wanted) of an item of a call that serves items: its message, and what the
 * child has written to a captured standard_error since the last item, which is no word of the next
 * item. */
void fc_call_take_item_details(struct forkcall_call *call, const struct forkcall_buf *message,
                               struct forkcall_buf *details);

#endif
