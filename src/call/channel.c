/* HOST: Opens the channel of a call and writes the request. */
#include "call/channel.h"

#include "base/io.h"
#include "base/poll_fds.h"
#include "base/shared_args.h"
#include "child/run.h"
#include "exec/exec_self.h"
#include "os/lifeline.h"
#include "result/region.h"
#include "result/small_result.h"
#include "wire/request.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* A pipe that the child writes. Reading never waits, because a hostile child could take out what
 * poll(2) has reported. */
static int open_pipe(struct forkcall_call *call, enum fc_fd ours, enum fc_fd childs)
{
    const int r = fc_fds_pipe(&call->fds, ours, childs);
    if (r < 0)
        return r;
    return fcntl(call->fds.fd[ours], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int fc_channel_open_streams(struct forkcall_call *call)
{
    int r = 0;
    if (call->options.standard_output == FORKCALL_STREAM_CAPTURE)
        r = open_pipe(call, FC_FD_OUT, FC_FD_CHILD_OUT);
    if (r == 0 && call->options.standard_error == FORKCALL_STREAM_CAPTURE)
        r = open_pipe(call, FC_FD_ERR, FC_FD_CHILD_ERR);
    return r;
}

int fc_channel_open(struct forkcall_call *call)
{
    struct fc_fds *fds = &call->fds;
    int r = open_pipe(call, FC_FD_REPLY, FC_FD_CHILD_REPLY);
    if (r == 0)
        r = fc_fds_pipe(fds, FC_FD_CHILD_GO, FC_FD_GO);
    if (r == 0)
        call->task.lifeline = fc_lifeline_prepare(fds->fd[FC_FD_CHILD_GO]);
    if (r == 0)
        r = fc_channel_open_streams(call);
    if (r < 0 || call->task.drop_result || call->task.max_result <= FC_SMALL_RESULT || call->task.shared.data != NULL)
        return r;
    /* Without a region a large result goes through the pipe, which is slower and no failure. */
    fc_fds_lock();
    const int region = fc_fd_above_streams(fc_region_open());
    fds->fd[FC_FD_REGION] = region < 0 ? -1 : region;
    fc_fds_unlock();
    return 0;
}

static int open_args_file(struct forkcall_call *call)
{
    fc_fds_lock();
    const int fd = fc_fd_above_streams(fc_shared_args_open());
    call->fds.fd[FC_FD_ARGS] = fd < 0 ? -1 : fd;
    fc_fds_unlock();
    const struct fc_time_limit time_limit = fc_call_time_limit(call, UINT64_MAX);
    return fd < 0 ? fd : fc_shared_args_fill(fd, call->task.args, call->task.args_size, &time_limit);
}

bool fc_channel_open_args(struct forkcall_call *call)
{
    const int r = call->task.args_size > FC_REQUEST_ARGS_MAX ? open_args_file(call) : 0;
    if (fc_call_is_given_up(call, r, FC_COPYING_ARGS))
        return false;
    if (r == -EFBIG)
        fc_call_end_early(
            call, FORKCALL_NOT_STARTED, EFBIG,
            "args_size: %zu bytes are more than this process's limit RLIMIT_FSIZE, which counts arguments "
            "of more than 32 KiB",
            call->task.args_size);
    else if (r < 0)
        fc_call_not_started(call, -r, "memory for the arguments");
    return r == 0;
}

/* Between two looks at a child that has no descriptor to poll. */
#define LOOK_MS 50

/* Waits until the pipe may have room (1). 0: the child has ended; -ETIMEDOUT; -EINTR: canceled. */
static int await_room(const struct forkcall_call *call, const struct fc_time_limit *time_limit)
{
    struct pollfd fds[] = {{.fd = call->fds.fd[FC_FD_GO], .events = POLLOUT},
                           {.fd = call->process.fd, .events = POLLIN},
                           {.fd = time_limit->cancel_fd, .events = POLLIN}};
    const uint64_t now = fc_now_ns();
    const int r = fc_time_limit_left(time_limit);
    int ms = LOOK_MS;
    if (r < 0)
        return r;
    if (time_limit->deadline_ns < now + (uint64_t)LOOK_MS * 1000000U)
        ms = time_limit->deadline_ns <= now ? 0 : (int)((time_limit->deadline_ns - now) / 1000000U) + 1;
    fc_poll_or_pause(fds, 3, ms);
    return fc_process_is_over(&call->process) ? 0 : 1;
}

/* There is no SIGPIPE if the child is gone, because this process still holds the reading end. */
static int write_request(struct forkcall_call *call, struct iovec *parts, int count)
{
    const struct fc_time_limit time_limit = fc_call_time_limit(call, FC_READY_NS);
    while (count > 0) {
        const ssize_t n = writev(call->fds.fd[FC_FD_GO], parts, count);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (n < 0) {
            const int r = await_room(call, &time_limit);
            if (r <= 0)
                return r;
            continue;
        }
        call->start_size += (size_t)n;
        fc_iovec_advance(&parts, &count, (size_t)n);
    }
    return 0;
}

void fc_channel_set_mark(struct forkcall_call *call, uint32_t mark)
{
    call->task.frame_mark = mark;
    fc_reply_set_mark(&call->reply, mark);
}

void fc_channel_set_keep(struct forkcall_call *call, bool keep, uint64_t may_grow)
{
    call->task.keep = keep;
    call->task.may_grow = may_grow;
}

/* The region is the same descriptor on both sides, and stays. So does the reading end of the
 * request of a child that may be kept: it may have died when the next request is written, which
 * must raise no SIGPIPE. */
static void close_ends_of_child(struct forkcall_call *call)
{
    fc_fds_lock();
    for (int i = FC_FD_CHILD_REPLY; i < FC_FD_REGION; i++) {
        if (i == FC_FD_CHILD_GO && call->task.keep)
            continue;
        if (call->fds.fd[i] >= 0)
            close(call->fds.fd[i]);
        call->fds.fd[i] = -1;
        call->fds.mark[i] = (struct fc_fd_identity){.inode = 0};
    }
    fc_fds_unlock();
}

/* Kills a child that could not be told to begin. error: a negative errno. */
static void give_up_start(struct forkcall_call *call, int error)
{
    enum fc_cause cause = FC_CAUSE_NONE;
    call->start_error = -error;
    if (error == -EINTR)
        cause = FC_CAUSE_CANCEL;
    else if (error == -ETIMEDOUT && fc_now_ns() >= call->deadline_ns)
        cause = FC_CAUSE_TIMEOUT;
    else if (error == -ETIMEDOUT && call->awaits_ready)
        cause = FC_CAUSE_NOT_READY;
    fc_call_kill(call, cause);
    close_ends_of_child(call);
}

static void send_start(struct forkcall_call *call, struct iovec *parts, int count)
{
    const int r = write_request(call, parts, count);
    if (r < 0) {
        give_up_start(call, r);
        return;
    }
    if (call->task.lifeline)
        fc_lifeline_set_owner(call->fds.fd[FC_FD_CHILD_GO], call->process.pid);
    close_ends_of_child(call);
}

void fc_channel_start_child(struct forkcall_call *call)
{
    struct iovec go[] = {{.iov_base = "g", .iov_len = 1},
                         /* see os/start_gate.h */
                         {.iov_base = &call->task.nonce, .iov_len = sizeof call->task.nonce}};
    send_start(call, go, 2);
}

void fc_channel_send_request(struct forkcall_call *call, const struct fc_module_function *name)
{
    struct fc_request_parts request;
    fc_request_make(&request, &call->task, name, call->fds.fd[FC_FD_ARGS] >= 0);
    send_start(call, request.parts, request.count);
}

/* ---- What a child that is not a fork gets ---------------------------------------------------- */

int fc_channel_list_fds(const struct forkcall_call *call, bool with_channel, struct fc_fd_list_item **list,
                        size_t *count)
{
    const int *fd = call->fds.fd;
    const bool joins = call->options.standard_error == FORKCALL_STREAM_JOIN;
    const struct fc_fd_list_item own[] = {
        {STDOUT_FILENO, fd[FC_FD_CHILD_OUT]},
        {STDERR_FILENO, joins ? fd[FC_FD_CHILD_OUT] : fd[FC_FD_CHILD_ERR]},
        {FC_FD_USE_ARGS, fd[FC_FD_ARGS]},
        {FC_FD_USE_SHARED, call->task.shared.data != NULL ? fc_shared_buf_fd(call->result) : -1},
        {FC_FD_USE_REQUEST, with_channel ? fd[FC_FD_CHILD_GO] : -1},
        {FC_FD_USE_REPLY, with_channel ? fd[FC_FD_CHILD_REPLY] : -1},
        {FC_FD_USE_REGION, with_channel ? fd[FC_FD_REGION] : -1},
    };
    const size_t own_count = sizeof own / sizeof *own;
    *count = 0;
    *list = malloc((own_count + call->task.keep_fds_count) * sizeof **list);
    if (*list == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < own_count; i++)
        if (own[i].fd >= 0)
            (*list)[(*count)++] = own[i];
    for (size_t i = 0; i < call->task.keep_fds_count; i++)
        (*list)[(*count)++] = (struct fc_fd_list_item){call->task.keep_fds[i], call->task.keep_fds[i]};
    return 0;
}
