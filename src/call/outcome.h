/* HOST: What became of a call. Nothing here makes a system call or keeps a state: the same facts
 * give the same outcome, so that a test needs no process. */
#ifndef FC_CALL_OUTCOME_H
#define FC_CALL_OUTCOME_H

#include "call/reply_reader.h"
#include "os/process_look.h"

#include <forkcall.h>

/* Why the library ended the call. */
enum fc_cause {
    FC_CAUSE_NONE,
    FC_CAUSE_TIMEOUT,
    FC_CAUSE_CANCEL,
    FC_CAUSE_MALFORMED,
    FC_CAUSE_NO_MEMORY,
    FC_CAUSE_NOT_READY, /* a re-executed program did not come to forkcall_init() in time */
    FC_CAUSE_CLOSED     /* the host has closed the descriptors of the call */
};

/* What decides a call that has begun. */
struct fc_facts {
    const struct forkcall_options *options;
    const struct fc_reply *reply;   /* what the child has said */
    const struct fc_ending *ending; /* what the kernel says of its end */
    enum forkcall_method method;
    enum fc_cause cause;

    int start_error;    /* the child was not told to begin, because of this errno; 0: it was */
    size_t start_size;  /* bytes of the request and the start byte that were written */
    long start_left;    /* bytes of them that the child has not read; -1: not known */
    bool awaited_ready; /* the child is a re-executed program */

    /* 0; -ENOMEM: the host has no memory for the result; -EPROTO: the child took it back. */
    int result_error;
    size_t max_result;
    bool shares_addresses;   /* the child had the host's modules, at the same addresses */
    bool has_server;         /* a server reaps the child */
    bool measured;           /* the child was asked for its usage */
    unsigned tools;          /* that watch the host: base/tools.h */
    const char *stderr_tail; /* the end of a captured standard_error */
    size_t stderr_tail_size;
    /* The line in which a sanitizer tells its finding on a captured standard_error; NULL: there is
     * none. */
    const char *tool_line;
    size_t tool_line_size;
    /* How many processes the kernel has killed for lack of memory, in the control group of the
     * host, since the count was last read, which may be long before the call; -1: not known. Looked
     * at only where SIGKILL has ended the child. */
    int64_t oom_kills;
    /* Of the host, where the peak of its memory survives exec; 0: it does not. */
    uint64_t host_peak_bytes;
    const struct fc_last_progress *progress; /* NULL: none, or of another item */
    const struct fc_process_look *look;      /* at a child that was ended; NULL: none */
};

/* Whose word decides. */
enum fc_decided_by {
    FC_DECIDED_BY_TRAILER,   /* the child's last frame */
    FC_DECIDED_BY_CAUSE,     /* the library's reason to end the call */
    FC_DECIDED_BY_SETUP,     /* the child could not be made ready */
    FC_DECIDED_BY_NOT_READY, /* the re-executed program did not come to forkcall_init() */
    FC_DECIDED_BY_KERNEL     /* how the process ended */
};

/* Fills in status, ran, code, wait_status and usage. report->crash is there already, and a
 * crash that the kernel does not confirm is not (fc_outcome_crash_is_true). */
enum fc_decided_by fc_outcome_decide(const struct fc_facts *facts, struct forkcall_report *report);
/* FORKCALL_HINT_TOOL, or 0. Called when status and code are there. */
unsigned fc_outcome_tool_hint(const struct fc_facts *facts, enum fc_decided_by by,
                              const struct forkcall_report *report);
/* Fills in the message for what was decided (describe_outcome.c). */
void fc_outcome_describe(const struct fc_facts *facts, enum fc_decided_by by, struct forkcall_report *report);

/* Adds how far the function was, if it has not returned. progress: may be NULL
 * (describe_progress.c). */
void fc_outcome_describe_progress(const struct fc_last_progress *progress, struct forkcall_report *report);

/* Adds where the function was that was ended for a timeout or a cancel. look: may be NULL. report
 * has the crash that is no crash (where.c). */
void fc_outcome_describe_where(const struct fc_process_look *look, struct forkcall_report *report);

/* The status is, or will be, OK or FAILED: then the processes that the function has started may go
 * on. */
bool fc_outcome_is_answer(const struct fc_reply *reply, enum fc_cause cause, int result_error);

/* A re-executed program has come to forkcall_init: it says so, or it has begun to read its
 * request. */
bool fc_outcome_is_ready(const struct fc_reply *reply, size_t start_size, long start_left);

/* The crash that the child tells of is one that the library catches, and the one that has ended the
 * child: a child may say what it likes. */
bool fc_outcome_crash_is_true(const struct forkcall_crash *crash, const struct fc_ending *ending);

/* The reply is malformed, or denies that the function has run, which has. */
bool fc_outcome_reply_is_malformed(const struct fc_facts *facts, enum forkcall_ran ran);
/* The function has closed the descriptor of its reply, and then returned. */
bool fc_outcome_reply_was_closed(const struct fc_facts *facts, enum forkcall_ran ran);

#endif
