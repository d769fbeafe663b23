/* SERVER: a child that the server has ready. */
#include "method.h"

#include "channel.h"
#include "init.h"
#include "io.h"
#include "report.h"
#include "server.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* How often a server that has what the host has no more is replaced by another. */
#define TRIES 3

static bool refuses(struct forkcall_call *call)
{
    (void)call;
    return false;
}

static void timed_out(struct forkcall_call *call)
{
    fc_call_end_early(call, FORKCALL_TIMED_OUT, 0, "no answer within %d ms: the server was not ready",
                      call->options.timeout_ms);
}

static void canceled(struct forkcall_call *call)
{
    fc_call_end_early(call, FORKCALL_CANCELED, 0, "canceled by the caller");
}

static void not_taken(struct forkcall_call *call, int r, const char *why)
{
    call->report.pid = 0; /* of one that was dead */
    if (r == -ETIMEDOUT && fc_now_ns() >= call->deadline_ns) {
        timed_out(call);
        return;
    }
    if (r == -EINTR) {
        canceled(call);
        return;
    }
    fc_call_not_started(call, -r, "server");
    if (why[0] != '\0')
        fc_report_message(&call->report, "server: %s", why);
}

static void start(struct forkcall_call *call)
{
    struct fc_module_function name;
    if (!fc_init_allows(call) || !fc_init_names(call, &name))
        return;
    int r = fc_channel_open_streams(call);
    if (r == 0)
        r = fc_channel_open_args(call);
    if (r < 0) {
        fc_call_not_started(call, -r, "a descriptor for the call");
        return;
    }
    call->task.own_group = !call->options.share_group;
    call->task.group = call->options.share_group ? getpgrp() : 0;
    call->task.measure = true;
    for (int i = 0; i < TRIES; i++) {
        char why[200] = "";
        r = fc_server_take(call, why, sizeof why);
        if (r < 0) {
            not_taken(call, r, why);
            return;
        }
        if (!fc_server_is_stale(call)) {
            fc_channel_send_request(call, &name);
            return;
        }
        fc_server_retire(call->server);
        fc_server_give_back(call, true);
        call->report.pid = 0; /* it has run nothing */
    }
    fc_call_not_started(call, EAGAIN, "server");
    fc_report_message(&call->report, "server: this process changes its credentials, limits or directory all the time");
}

const struct fc_method fc_method_server = {.refuses = refuses, .start = start, .shares_addresses = false};
