/* HOST: SERVER: The child is one that the server has ready, or makes. */
#include "method/table.h"

#include "base/io.h"
#include "base/report_message.h"
#include "call/channel.h"
#include "method/exec_common.h"
#include "server/get_server.h"
#include "server/take_child.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* How many servers are replaced for one call because they have what the host has given up since. */
#define TRIES 3

static bool refuses(struct forkcall_call *call)
{
    (void)call;
    return false;
}

static void not_taken(struct forkcall_call *call, int r, const char *why)
{
    if (fc_call_is_given_up(call, r, "the server was not ready"))
        return;
    fc_call_not_started(call, -r, "server");
    if (why[0] != '\0')
        fc_report_message(&call->report, "server: %s", why);
}

/* Runs the call by SPAWN. The server stays, because it fits other threads of this process. The
 * calling thread has other rights, so its call gets a process of its own. */
static void spawn(struct forkcall_call *call)
{
    static const enum fc_fd again[] = {FC_FD_OUT, FC_FD_CHILD_OUT, FC_FD_ERR, FC_FD_CHILD_ERR, FC_FD_ARGS};
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        fc_fds_close(&call->fds, again[i]);
    fc_channel_set_mark(call, 0);
    fc_channel_set_keep(call, false, 0);
    fc_call_set_method(call, FORKCALL_SPAWN, false);
    fc_method_spawn.start(call);
}

static void send_request(struct forkcall_call *call, const struct fc_module_function *name,
                         const struct fc_caller *caller)
{
    call->task.caller = caller;
    fc_channel_send_request(call, name);
    call->task.caller = NULL;
}

static void start(struct forkcall_call *call)
{
    struct fc_module_function name;
    struct fc_caller caller;
    memset(&caller, 0, sizeof caller); /* the padding is sent to another process, too */
    if (!fc_exec_is_allowed(call) || !fc_exec_name_function(call, &name))
        return;
    int r = fc_channel_open_streams(call);
    if (r < 0) {
        fc_call_not_started(call, -r, "a descriptor for the call");
        return;
    }
    if (!fc_channel_open_args(call))
        return;
    call->task.own_group = !call->options.share_group;
    call->task.group = call->options.share_group ? getpgrp() : 0;
    call->task.measure = true;
    fc_fpu_take(&caller.fpu);
    for (int i = 0; i < TRIES; i++) {
        char why[200] = "";
        r = fc_server_take_child(call, &name, &caller, why, sizeof why);
        if (r < 0) {
            not_taken(call, r, why);
            return;
        }
        if (r == FC_FITS) {
            send_request(call, &name, &caller);
            return;
        }
        if (r == FC_FITS_NOBODY)
            fc_server_retire(call->process.server);
        fc_server_give_back_child(call, true);
        if (r == FC_FITS_OTHERS) {
            spawn(call);
            return;
        }
    }
    fc_call_not_started(call, EAGAIN, "server");
    fc_report_message(&call->report, "server: this process changes its credentials, limits or directory all the time");
}

const struct fc_method fc_method_server = {.refuses = refuses, .start = start, .shares_addresses = false};
