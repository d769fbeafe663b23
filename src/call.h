/* A call, from its start to its report. */
#ifndef FC_CALL_H
#define FC_CALL_H

#include "fds.h"
#include "hints.h"
#include "process.h"
#include "reply.h"
#include "task.h"

#include <forkcall.h>

#include <stdatomic.h>

enum fc_stage {
    FC_STAGE_RUNNING,     /* deadline_ns is that of the options */
    FC_STAGE_TERMINATING, /* SIGTERM was sent; deadline_ns is the end of the grace */
    FC_STAGE_ANSWERED,    /* the trailer has come; until deadline_ns the process may take to end */
    FC_STAGE_KILLED,      /* SIGKILL was sent, or nothing can be waited for but the end; until deadline_ns */
    FC_STAGE_DONE,        /* the report stands */
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

    pid_t owner; /* the process that started the call */
    struct fc_fds fds;
    struct fc_process process;
    struct fc_reply_rules rules;
    struct fc_reply reply;
    struct forkcall_buf stderr_tail;
    struct fc_hint_scan hint_scan; /* of standard_error */

    enum fc_stage stage;
    enum fc_cause cause;
    uint64_t start_ns, deadline_ns; /* UINT64_MAX: none */
    uint64_t armed_ns;              /* what fc_loop_rest was last told */
    uint64_t ready_by_ns;           /* until then a copy must have said that it is ready; UINT64_MAX: none, or it has */
    unsigned polls;                 /* how often a process without a descriptor was asked */
    bool async;                     /* forkcall_cancel may come */
    bool unreapable;                /* it has ended, and something keeps the kernel from telling */
    bool not_let_go;                /* the go byte could not be written */
    size_t request_size;            /* all that was written for a child that is no fork */
    bool awaits_ready;              /* the child is a copy, and says when it has come to forkcall_init */
    struct fc_server *server;       /* that the child is of; NULL: none */
    bool quiet;                     /* no callback is called any more */
    atomic_bool cancel_requested;
    struct forkcall_report report;
};

/* forkcall_start and forkcall_finish, but for the memory of the call itself. */
void fc_call_begin(struct forkcall_call *call, forkcall_fn *fn, const void *args, size_t args_size,
                   struct forkcall_buf *result, const struct forkcall_options *options, bool async);
void fc_call_end(struct forkcall_call *call);

/* drive.c: moves a started call on until it is done (true) or until_ns has passed. */
bool fc_call_drive(struct forkcall_call *call, uint64_t until_ns);

/* drive.c: to be called after the host's code has run. Where that has closed what the call needs, the call is over. */
void fc_call_look_at_descriptors(struct forkcall_call *call);

/* OK or FAILED by its own word: then what it has started may go on. */
bool fc_call_has_done_its_work(const struct forkcall_call *call);

/* Until when the event loop may rest; a wake-up that was seen (woken) is taken back. */
void fc_call_rest(struct forkcall_call *call, bool woken);

/* For the start methods: no process came into being. The report stands then. error is positive. */
void fc_call_not_started(struct forkcall_call *call, int error, const char *step);

/* outcome.c: a child that is a copy has come to forkcall_init: it says so, or has begun to read its request. */
bool fc_call_is_ready(const struct forkcall_call *call);

/* outcome.c: how the child ended decides the status; the process is gone. */
void fc_call_conclude(struct forkcall_call *call, const struct fc_ending *ending);
/* In finish: the result and the details to the caller; may turn OK into a failure. */
void fc_call_deliver(struct forkcall_call *call);

#endif
