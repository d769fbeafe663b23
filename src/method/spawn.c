/* HOST: SPAWN: The child is this program, started again for the call. */
#include "method/table.h"

#include "base/fd_message.h"
#include "base/report_message.h"
#include "call/channel.h"
#include "exec/exec_self.h"
#include "method/exec_common.h"
#include "wire/fd_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool refuses(struct forkcall_call *call)
{
    (void)call;
    return false;
}

/* Writes what the re-executed program reads in forkcall_init(): the hello, and its descriptors. */
static int say_hello(struct forkcall_call *call, uint64_t *nonce)
{
    struct fc_fd_list_item *list = NULL;
    size_t count = 0;
    const int socket = call->fds.fd[FC_FD_SOCKET];
    int r = fc_channel_list_fds(call, true, &list, &count);
    if (r == 0)
        r = fc_exec_self_hello(socket, FC_ROLE_CHILD, nonce);
    if (r == 0)
        r = fc_fd_list_send(socket, list, count);
    free(list);
    return r;
}

static int start_exec_self(struct forkcall_call *call, const char **step)
{
    uint64_t nonce = 0;
    pid_t pid = -1;
    *step = "socket";
    int r = fc_fd_message_pair_in(&call->fds);
    if (r == 0)
        r = say_hello(call, &nonce);
    if (r < 0)
        return r;
    r = fc_exec_self_start(call->fds.fd[FC_FD_PEER_SOCKET], nonce, !call->options.share_group, &pid, step);
    fc_fds_close(&call->fds, FC_FD_PEER_SOCKET);
    fc_fds_close(&call->fds, FC_FD_SOCKET);
    if (r < 0)
        return r;
    fc_call_await_ready(call, true, call->start_ns + FC_READY_NS);
    fc_process_open(&call->process, pid, &call->fds);
    call->process.own_group = !call->options.share_group;
    return 0;
}

static void take(struct fc_caller *caller)
{
    memset(caller, 0, sizeof *caller);
    fc_credentials_take(&caller->credentials);
    fc_settings_take(&caller->settings);
    fc_fpu_take(&caller->fpu);
}

static void start(struct forkcall_call *call)
{
    struct fc_module_function name;
    struct fc_caller caller;
    const char *step;
    if (!fc_exec_is_allowed(call) || !fc_exec_name_function(call, &name))
        return;
    step = "pipe";
    int r = fc_channel_open(call);
    if (r == 0 && !fc_channel_open_args(call))
        return;
    call->task.own_group = !call->options.share_group;
    call->task.measure = true;
    if (r == 0)
        r = start_exec_self(call, &step);
    if (r < 0) {
        fc_call_not_started(call, -r, step);
        if (fc_exec_self_error_is_told(r))
            fc_report_message(&call->report, "%s", step);
        return;
    }
    /* The re-executed program reads the request when it reaches forkcall_init(). A request that is
     * longer than the pipe must not block this thread until then. */
    fcntl(call->fds.fd[FC_FD_GO], F_SETFL, O_NONBLOCK);
    take(&caller);
    call->task.caller = &caller;
    fc_channel_send_request(call, &name);
    call->task.caller = NULL;
}

const struct fc_method fc_method_spawn = {.refuses = refuses, .start = start, .shares_addresses = false};
