/* HOST: A call, from its start to its report. */
#ifndef FC_CALL_CALL_H
#define FC_CALL_CALL_H

#include "base/descriptors.h"
#include "base/time_limit.h"
#include "call/reply_reader.h"
#include "crash/symptoms.h"
#include "os/process.h"
#include "wire/task.h"

#include <forkcall.h>

#include <stdatomic.h>

enum fc_stage {
    FC_STAGE_RUNNING,     /* deadline_ns is that of the options */
    FC_STAGE_TERMINATING, /* SIGTERM was sent; deadline_ns is the end of the grace */
    FC_STAGE_ANSWERED,    /* the trailer has come; until deadline_ns the process may take to end */
    /* SIGKILL was sent, or nothing can be waited for but the end; until deadline_ns. */
    FC_STAGE_KILLED,
    FC_STAGE_DONE, /* the report stands */
};

/* Why the library ended the call. */
enum fc_cause {
    FC_CAUSE_NONE,
    FC_CAUSE_TIMEOUT,
    FC_CAUSE_CANCEL,
    FC_CAUSE_MALFORMED,
    FC_CAUSE_NO_MEMORY,
    FC_CAUSE_NOT_READY,
    FC_CAUSE_CLOSED /* the host has closed the descriptors of the call */
};

struct forkcall_call {
    struct fc_task task;
    struct forkcall_options options;
    struct forkcall_buf *result;
    int *keep_fds; /* owned */

    bool result_taken; /* fc_call_take_result has been there */
    /* 0; -ENOMEM: the caller has no memory for it; -EPROTO: the child took it back. */
    int result_error;
    /* Between the end of a call of forkcall_start and forkcall_finish. */
    struct forkcall_buf kept_result;

    pid_t owner;                 /* the process that started the call */
    bool child_shares_addresses; /* the child had this process's modules, at the same addresses */
    struct fc_fds fds;
    struct fc_process process;
    struct fc_reply_rules rules;
    struct fc_reply reply;
    struct forkcall_buf stderr_tail;
    struct fc_hint_scan hint_scan; /* of standard_error, or what it joins */

    enum fc_stage stage;
    enum fc_cause cause;
    uint64_t start_ns, deadline_ns; /* UINT64_MAX: none */
    uint64_t callbacks_until_ns;    /* the deadline of the options, then the end of the grace */
    /* Captured output is left in its pipe until the child is gone. */
    bool late;
    uint64_t armed_ns; /* the deadline that the wake-up timer is set to */
    /* Until then a copy must have said that it is ready; UINT64_MAX: none, or it has. */
    uint64_t ready_by_ns;
    unsigned polls;      /* how often a process without a descriptor was asked */
    bool async;          /* forkcall_cancel may come */
    bool unreapable;     /* it has ended, and something keeps the kernel from telling */
    bool not_let_go;     /* the go byte could not be written, so the function cannot have run */
    size_t request_size; /* all that was written for a child that is no fork */
    /* The child is a copy, and says when it has come to forkcall_init. */
    bool awaits_ready;
    struct fc_server *server; /* that the child is of; NULL: none */
    bool quiet;               /* a callback has asked to cancel: no more callbacks are called */
    atomic_bool cancel_requested;
    struct forkcall_report report;
};

/* ---- call/state.c ---------------------------------------------------------------------------- */

/* After its trailer, and after SIGKILL, a process has so long to end. */
#define FC_CALL_END_NS 1000000000U

/* The call goes on to another stage, which ends at deadline_ns (UINT64_MAX: never). */
void fc_call_set_stage(struct forkcall_call *call, enum fc_stage stage, uint64_t deadline_ns);

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

/* As long as the call's deadline, cancel_fd and forkcall_cancel let it, and for limit_ns at most
 * (UINT64_MAX: no such limit). Whatever a call waits for before its child runs is waited for so. */
struct fc_time_limit fc_call_time_limit(const struct forkcall_call *call, uint64_t limit_ns);

/* A callback may be called: neither the deadline has passed nor is the call to be cancelled. Asked
 * before each one, because each may take long: at most one is running when the deadline passes. */
bool fc_call_may_call_back(const struct forkcall_call *call);

void fc_call_close_fd(struct forkcall_call *call, enum fc_fd which);
bool fc_call_is_readable(const struct forkcall_call *call, enum fc_fd which);

/* ---- call/result.c --------------------------------------------------------------------------- */

/* Gets hold of the result that the trailer tells of, if there is one; once. Sets result_error. */
void fc_call_take_result(struct forkcall_call *call);

/* ---- call/outcome.c -------------------------------------------------------------------------- */

/* The status is, or will be, OK or FAILED: then what the function has started may go on. To be
 * asked after fc_call_take_result, and before the process is reaped: afterwards its group is not to
 * be killed any more. */
bool fc_call_has_done_its_work(const struct forkcall_call *call);

/* A child that is a copy has come to forkcall_init: it says so, or has begun to read its
 * request. */
bool fc_call_is_ready(const struct forkcall_call *call);

/* How the child ended decides the status; the process is gone. */
void fc_call_conclude(struct forkcall_call *call, const struct fc_ending *ending);
/* The message of an INLINE call. */
void fc_call_say_inline(struct forkcall_call *call);

/* ---- call/end.c ------------------------------------------------------------------------------ */

/* Ends a call that still runs, for the cause: with SIGTERM and the grace of the options, or at
 * once. */
void fc_call_terminate(struct forkcall_call *call, enum fc_cause cause);
/* As its caller wants. */
void fc_call_cancel(struct forkcall_call *call);
/* At once, whatever its stage is. */
void fc_call_kill_all(struct forkcall_call *call);
/* Kills the child of a call that was not let go, at once. */
void fc_call_kill(struct forkcall_call *call, enum fc_cause cause);

/* To be called after the host's code has run, which may have closed what the call needs: then the
 * call is over. */
void fc_call_come_back(struct forkcall_call *call);

/* ---- call/loop.c ----------------------------------------------------------------------------- */

/* Moves a started call on until it is done (true) or until_ns has passed. */
bool fc_call_loop(struct forkcall_call *call, uint64_t until_ns);

/* Until when the event loop may rest; a wake-up that was seen (woken) is taken back. */
void fc_call_rearm(struct forkcall_call *call, bool woken);

/* ---- call/deliver.c -------------------------------------------------------------------------- */

/* In finish, the result and the details to the caller. */
void fc_call_deliver(struct forkcall_call *call);

#endif
