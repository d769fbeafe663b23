/* The functions of postgres_host.sh, in a backend of PostgreSQL. */
#include "real_host.h"

#include <forkcall.h>

#include <postgres.h>

#include <fmgr.h>
#include <miscadmin.h>
#include <storage/latch.h>
#include <utils/builtins.h>
#include <utils/wait_event.h>

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(host_begin);
PG_FUNCTION_INFO_V1(host_calls);
PG_FUNCTION_INFO_V1(host_end);
PG_FUNCTION_INFO_V1(host_hang);

static Datum text_of(const char *said)
{
    PG_RETURN_TEXT_P(cstring_to_text(said));
}

Datum host_begin(PG_FUNCTION_ARGS)
{
    return text_of(real_host_begin(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

Datum host_calls(PG_FUNCTION_ARGS)
{
    return text_of(real_host_calls());
}

Datum host_end(PG_FUNCTION_ARGS)
{
    return text_of(real_host_end());
}

/* A call without a deadline, of a function that lies outside this module, which needs symbols of
 * the backend. The backend waits for the call and for its own latch, so a statement timeout and
 * pg_terminate_backend() cancel the call. */
Datum host_hang(PG_FUNCTION_ARGS)
{
    struct forkcall_call *call;
    if (forkcall_start(&call, real_host_never_ends, NULL, 0, NULL, NULL) < 0)
        elog(ERROR, "forkcall_start");
    while (forkcall_wait(call, 0) == 0 && !INTERRUPTS_PENDING_CONDITION()) {
        (void)WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH, forkcall_fd(call), -1,
                                PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
    }
    forkcall_cancel(call);
    const struct forkcall_report report = forkcall_finish(call);
    if (report.status != FORKCALL_CANCELED)
        elog(ERROR, "not canceled: %s", report.message);
    CHECK_FOR_INTERRUPTS();
    return text_of("the call has ended by itself");
}
