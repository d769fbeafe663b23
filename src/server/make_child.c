/* SERVER: Makes a child by fork or by exec. */
#include "server/make_child.h"

#include "base/close_list.h"
#include "base/descriptors.h"
#include "base/fd_message.h"
#include "base/pipe.h"
#include "base/process_name.h"
#include "child/run_request.h"
#include "exec/exec_self.h"
#include "os/lifeline.h"
#include "os/process_tree.h"
#include "os/sched_batch.h"
#include "result/region.h"
#include "server/launch.h"
#include "server/server_state.h"
#include "wire/fd_list.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int open_pipe(int ends[2], int end_of_host)
{
    int r = fc_pipe(ends);
    for (int i = 0; r == 0 && i < 2; i++) {
        ends[i] = fc_fd_above_streams(ends[i]);
        if (ends[i] < 0)
            r = ends[i];
    }
    return r == 0 && fcntl(ends[end_of_host], F_SETFL, O_NONBLOCK) < 0 ? -errno : r;
}

static int open_channel(struct fc_new_child *child)
{
    *child = (struct fc_new_child){.request = {-1, -1}, .reply = {-1, -1}, .region = -1, .lifeline = -1, .pidfd = -1};
    int r = open_pipe(child->request, 1);
    if (r == 0)
        r = open_pipe(child->reply, 0);
    if (r == 0)
        child->region = fc_fd_above_streams(fc_region_open());
    if (r == 0)
        child->lifeline = fc_lifeline_open(fc_server_state_lifeline());
    /* A child without it would outlive the server. */
    return r == 0 && child->lifeline < -1 ? child->lifeline : r;
}

void fc_new_child_close(const struct fc_new_child *child)
{
    int fds[] = {child->request[0], child->request[1], child->reply[0], child->reply[1],
                 child->region,     child->lifeline,   child->pidfd};
    fc_close_list(fds, sizeof fds / sizeof *fds);
}

/* ---- By fork --------------------------------------------------------------------------------- */

_Noreturn static void run_forked(const struct fc_new_child *child, pid_t server, int extra, void (*leave_in_child)(int),
                                 const struct fc_module_function *early)
{
    int own[FC_OWN_COUNT];
    int of_host[] = {child->request[1], child->reply[0]};
    fc_end_with_parent(server);
    if (early != NULL)
        setpgid(0, 0);         /* what a constructor starts belongs to the group, too */
    fc_sched_batch_set(false); /* a child gets the host's scheduling policy back */
    leave_in_child(extra);
    fc_close_list(of_host, sizeof of_host / sizeof *of_host);
    fc_process_set_made_name();
    fc_lifeline_own(child->lifeline);
    fc_own_fds_clear(own);
    own[FC_OWN_REQUEST] = child->request[0];
    own[FC_OWN_REPLY] = child->reply[1];
    own[FC_OWN_REGION] = child->region;
    own[FC_OWN_LIFELINE] = child->lifeline;
    const int r = extra >= 0 ? fc_fd_list_receive(extra, own) : 0;
    fc_run_request(own, false, true, r < 0 ? FC_KEEP_FDS_FAILED : NULL, early);
}

static int by_fork(struct fc_new_child *child, int extra, void (*leave_in_child)(int),
                   const struct fc_module_function *early)
{
    const pid_t server = getpid();
    child->pid = fork();
    if (child->pid == 0)
        run_forked(child, server, extra, leave_in_child, early);
    if (child->pid < 0)
        return -errno;
    /* A child that waits for its request need not do it as well: nobody knows of it before this
     * process tells the host. */
    setpgid(child->pid, child->pid);
    return 0;
}

/* ---- By exec --------------------------------------------------------------------------------- */

static int say_hello(int socket, const struct fc_new_child *child, const struct fc_prepare *prepare, int extra,
                     uint64_t *nonce)
{
    struct fc_fd_list_item list[5] = {{FC_FD_USE_REQUEST, child->request[0]}, {FC_FD_USE_REPLY, child->reply[1]}};
    size_t count = 2;
    if (child->region >= 0)
        list[count++] = (struct fc_fd_list_item){FC_FD_USE_REGION, child->region};
    if (child->lifeline >= 0)
        list[count++] = (struct fc_fd_list_item){FC_FD_USE_LIFELINE, child->lifeline};
    if (extra >= 0)
        list[count++] = (struct fc_fd_list_item){FC_FD_USE_MORE, extra};
    int r = fc_exec_self_hello(socket, FC_ROLE_SERVERS_CHILD, nonce);
    if (r == 0)
        r = fc_server_setup_send(socket, &prepare->setup, &prepare->function, prepare->args);
    return r == 0 ? fc_fd_list_send(socket, list, count) : r;
}

static int by_exec(struct fc_new_child *child, const struct fc_prepare *prepare, int extra)
{
    int ends[2];
    uint64_t nonce;
    const char *step;
    int r = fc_fd_message_pair(ends);
    if (r < 0)
        return r;
    r = say_hello(ends[0], child, prepare, extra, &nonce);
    fc_sched_batch_set(false);
    if (r == 0)
        r = fc_exec_self_start(ends[1], nonce, true, &child->pid, &step);
    fc_sched_batch_set(true);
    close(ends[0]);
    close(ends[1]);
    return r;
}

int fc_make_child(struct fc_new_child *child, const struct fc_prepare *prepare, int extra, void (*leave_in_child)(int),
                  const struct fc_module_function *early)
{
    int r = open_channel(child);
    if (r == 0)
        r = prepare != NULL ? by_exec(child, prepare, extra) : by_fork(child, extra, leave_in_child, early);
    if (r < 0)
        fc_new_child_close(child);
    return r;
}
