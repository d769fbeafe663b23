/* HOST: The loop of a call: waits by poll(2) for its reply, its process, its captured streams and
 * its deadline. */
#include "call/call.h"

#include "base/io.h"
#include "base/poll_fds.h"
#include "call/output.h"
#include "call/unreaped.h"
#include "call/wakeup.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---- Signals and deadlines ------------------------------------------------------------------- */

/* How a child of the server has ended, where the server does not tell: it is gone, or does not
 * answer. */
static bool ask_kernel(const struct fc_process *process, struct fc_ending *ending)
{
    return process->fd >= 0 && !process->fd_tells && fc_process_watch_is_over(process) &&
           fc_process_watch_has_ended(process, ending);
}

/* It was not heard of in time. */
static void abandon(struct forkcall_call *call)
{
    const struct fc_process *process = &call->process;
    struct fc_ending ending = {.wait_status = -1};
    fc_call_take_result(call);
    if (!fc_call_has_done_its_work(call))
        fc_process_signal_group(process, SIGKILL);
    if (!process->remote) /* the server reaps its own */
        fc_unreaped_add(process, &call->fds);
    else if (!ask_kernel(process, &ending))
        ending = (struct fc_ending){.wait_status = -1};
    fc_call_conclude(call, &ending);
}

static void deadline_passed(struct forkcall_call *call)
{
    switch (call->stage) {
    case FC_STAGE_RUNNING:
        fc_call_terminate(call, FC_CAUSE_TIMEOUT);
        break;
    case FC_STAGE_TERMINATING:
        fc_call_kill_all(call);
        break;
    case FC_STAGE_ANSWERED:
        fc_process_signal(&call->process, SIGKILL); /* not the group: it has done its work */
        fc_call_set_stage(call, FC_STAGE_KILLED, fc_now_ns() + FC_CALL_END_NS);
        break;
    case FC_STAGE_KILLED:
        abandon(call);
        break;
    case FC_STAGE_DONE:
        break;
    }
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* False: nothing was there. */
static bool read_reply(struct forkcall_call *call)
{
    const int r = fc_reply_receive(&call->reply, &call->rules, call->fds.fd[FC_FD_REPLY]);
    if (call->rules.progress != NULL)
        fc_call_come_back(call);
    /* What poll saw was read by another: a hostile child can open its own pipe for reading. */
    if (r == -EAGAIN)
        return false;
    if (call->reply.done || (call->reply.answered && !call->reply.malformed)) {
        fc_call_set_stage(call, FC_STAGE_ANSWERED, fc_now_ns() + FC_CALL_END_NS);
    } else if (call->reply.malformed) {
        fc_call_terminate(call, FC_CAUSE_MALFORMED);
    } else if (call->reply.no_memory) {
        fc_call_terminate(call, FC_CAUSE_NO_MEMORY);
    } else if (call->reply.cancel) {
        fc_call_terminate(call, FC_CAUSE_CANCEL);
    }
    if (r <= 0 || call->reply.done || call->reply.malformed || call->reply.no_memory)
        fc_call_close_fd(call, FC_FD_REPLY);
    return true;
}

/* What is in the reply now. */
static void read_waiting_reply(struct forkcall_call *call)
{
    for (int i = 0; i < FC_READS_MAX && fc_call_is_readable(call, FC_FD_REPLY); i++)
        if (!read_reply(call))
            return;
}

/* ---- The end --------------------------------------------------------------------------------- */

/* Without a trailer there is no result, and what was made of it is memory that nobody is to wait
 * for: the system may be about to kill others for it. Emptied, because a process that the function
 * has started may hold it, too. */
static void give_memory_back(struct forkcall_call *call)
{
    if (call->reply.done || call->fds.fd[FC_FD_REGION] < 0)
        return;
    if (ftruncate(call->fds.fd[FC_FD_REGION], 0) < 0) {
        /* The function has sealed it: closing has to do. */
    }
    fc_call_close_fd(call, FC_FD_REGION);
}

/* A server is asked how its child has ended, through descriptors of which this process may have
 * none left. */
static void make_room(struct forkcall_call *call)
{
    static const enum fc_fd read_out[] = {FC_FD_REPLY, FC_FD_OUT, FC_FD_ERR, FC_FD_REGION};
    if (!call->process.remote || call->reply.done)
        return;
    for (size_t i = 0; i < sizeof read_out / sizeof *read_out; i++)
        if (call->fds.fd[read_out[i]] >= 0)
            fc_call_close_fd(call, read_out[i]);
}

/* The server is asked once how its child has ended. It may take its time, or be stopped: nobody
 * waits for it here. */
static bool hear_of_server(struct forkcall_call *call, struct fc_ending *ending)
{
    const struct fc_process *process = &call->process;
    const enum fc_fd answer = process->fd_tells ? FC_FD_PROCESS : FC_FD_STATUS;
    int told = 0;
    if (call->fds.fd[answer] < 0) {
        told = process->remote->ask_ending(process, &call->fds, answer) == -EPIPE ? -1 : 0;
        fc_wakeup_also(&call->fds, call->fds.fd[answer]);
    }
    if (call->fds.fd[answer] >= 0)
        told = process->remote->hear_ending(call->fds.fd[answer], ending);
    if (told > 0)
        return true;
    *ending = (struct fc_ending){.wait_status = -1};
    if (told < 0 && !ask_kernel(process, ending))
        *ending = (struct fc_ending){.wait_status = -1};
    return told < 0;
}

static bool has_ended(struct forkcall_call *call, struct fc_ending *ending)
{
    return call->process.remote ? hear_of_server(call, ending) : fc_process_has_ended(&call->process, ending);
}

/* The kernel reports that the child has ended: reads what is left, kills the group, reaps the
 * child. */
static void conclude(struct forkcall_call *call)
{
    struct fc_ending ending;
    /* Another thread of the host may have closed what it would have come through. */
    if (!call->reply.done)
        fc_call_come_back(call);
    if (call->stage == FC_STAGE_DONE)
        return;
    if (!call->unreapable) {
        read_waiting_reply(call);
        fc_reply_settle(&call->reply);
        give_memory_back(call);
        fc_call_take_result(call);
        /* Before the leader is reaped, while the group's number is surely its own; and before the
         * host's callbacks take their time. */
        if (!fc_call_has_done_its_work(call))
            fc_process_signal_group(&call->process, SIGKILL);
        fc_output_rest(call, FC_FD_OUT);
        fc_output_rest(call, FC_FD_ERR);
        make_room(call);
    }
    const uint64_t held_ns = fc_now_ns();
    if (has_ended(call, &ending)) {
        /* It was reaped here, and its group killed. */
        if (ending.usage_known && !fc_call_has_done_its_work(call))
            fc_process_reap_group(&call->process, held_ns);
        fc_call_conclude(call, &ending);
    } else if (!call->unreapable) {
        /* A tracer has it, or the server has not told yet. */
        call->unreapable = true;
        fc_wakeup_forget(&call->fds, call->process.fd); /* it has said all that it can */
        fc_call_set_stage(call, FC_STAGE_KILLED, fc_now_ns() + FC_CALL_END_NS);
    }
}

/* By SERVER the trailer is enough: the server reaps its own child, so nobody waits for the exit. */
static void conclude_by_answer(struct forkcall_call *call)
{
    const struct fc_ending not_waited_for = {.wait_status = -1};
    fc_output_rest(call, FC_FD_OUT);
    fc_output_rest(call, FC_FD_ERR);
    fc_call_conclude(call, &not_waited_for);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

enum slot { SLOT_REPLY, SLOT_PROCESS, SLOT_OUT, SLOT_ERR, SLOT_CANCEL, SLOT_WAKE, SLOT_COUNT };

static bool is_ending(const struct forkcall_call *call)
{
    return call->stage != FC_STAGE_RUNNING;
}

/* The slots that have a descriptor, and no more: poll(2) refuses more entries than
 * RLIMIT_NOFILE. */
static void poll_slots(struct pollfd slots[SLOT_COUNT], int ms)
{
    struct pollfd used[SLOT_COUNT];
    nfds_t count = 0;
    for (int i = 0; i < SLOT_COUNT; i++)
        if (slots[i].fd >= 0)
            used[count++] = slots[i];
    const int r = fc_poll(used, count, ms);
    /* poll(2) itself failed (ENOMEM, RLIMIT_NOFILE 0): every descriptor is taken for ready after
     * a pause. */
    if (r < 0 && errno != EINTR) {
        fc_pause();
        for (int i = 0; i < SLOT_COUNT; i++)
            if (slots[i].fd >= 0 && i != SLOT_CANCEL)
                slots[i].revents = POLLIN; /* reading does not wait, and the process is asked */
        return;
    }
    count = 0;
    for (int i = 0; i < SLOT_COUNT; i++)
        if (slots[i].fd >= 0 && r > 0)
            slots[i].revents = used[count++].revents;
}

static void fill_slots(const struct forkcall_call *call, struct pollfd slots[SLOT_COUNT])
{
    const int fds[SLOT_COUNT] = {
        [SLOT_REPLY] = call->fds.fd[FC_FD_REPLY],
        [SLOT_PROCESS] = call->unreapable ? call->fds.fd[FC_FD_STATUS] : call->process.fd,
        [SLOT_OUT] = call->late ? -1 : call->fds.fd[FC_FD_OUT],
        [SLOT_ERR] = call->late ? -1 : call->fds.fd[FC_FD_ERR],
        [SLOT_CANCEL] = is_ending(call) ? -1 : call->options.cancel_fd_plus_one - 1,
        [SLOT_WAKE] = call->fds.fd[FC_FD_WAKE],
    };
    for (int i = 0; i < SLOT_COUNT; i++)
        slots[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
}

static int to_ms(uint64_t from_ns, uint64_t to_ns)
{
    if (to_ns == UINT64_MAX)
        return -1;
    if (to_ns <= from_ns)
        return 0;
    const uint64_t ms = (to_ns - from_ns + 999999U) / 1000000U;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static bool has_to_ask(const struct forkcall_call *call)
{
    return call->process.fd < 0 || call->unreapable;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int timeout_ms(struct forkcall_call *call, uint64_t until_ns)
{
    const uint64_t first = earlier(until_ns, earlier(call->deadline_ns, call->ready_by_ns));
    int ms = to_ms(fc_now_ns(), first);
    if (has_to_ask(call)) {
        const int backoff = fc_process_backoff_ms(call->polls++);
        ms = ms < 0 || backoff < ms ? backoff : ms;
    }
    return ms;
}

/* When the event loop's descriptor is to be readable though nothing has come. */
static uint64_t next_look(const struct forkcall_call *call)
{
    const uint64_t deadline = earlier(call->deadline_ns, call->ready_by_ns);
    if (!has_to_ask(call))
        return deadline;
    return earlier(deadline, fc_now_ns() + (uint64_t)fc_process_backoff_ms(call->polls) * 1000000U);
}

void fc_call_rearm(struct forkcall_call *call, bool woken)
{
    const uint64_t look = next_look(call);
    if (!call->async || (!woken && call->armed_ns == look))
        return;
    call->armed_ns = look;
    fc_wakeup_rearm(&call->fds, look);
    /* A wake-up that came meanwhile is lost: what it was to tell is not. */
    if (call->stage == FC_STAGE_RUNNING && atomic_load(&call->cancel_requested))
        fc_wakeup_wake(&call->fds);
}

static void handle(struct forkcall_call *call, const struct pollfd slots[SLOT_COUNT])
{
    for (int i = 0; i < SLOT_COUNT; i++)
        if ((slots[i].revents & POLLNVAL) != 0 && i != SLOT_CANCEL) /* another thread closed it */
            fc_call_come_back(call);
    if (slots[SLOT_REPLY].revents != 0 && call->fds.fd[FC_FD_REPLY] >= 0)
        read_reply(call);
    if (slots[SLOT_OUT].revents != 0 && call->fds.fd[FC_FD_OUT] >= 0)
        fc_output_read(call, FC_FD_OUT);
    if (slots[SLOT_ERR].revents != 0 && call->fds.fd[FC_FD_ERR] >= 0)
        fc_output_read(call, FC_FD_ERR);
    if (slots[SLOT_WAKE].revents != 0)
        fc_call_rearm(call, true);
    if (slots[SLOT_CANCEL].revents != 0)
        fc_call_terminate(call, FC_CAUSE_CANCEL);
    if (atomic_load(&call->cancel_requested))
        fc_call_terminate(call, FC_CAUSE_CANCEL);
    if (call->stage == FC_STAGE_DONE) /* its descriptors were closed */
        return;
    if (call->process.remote && call->reply.done && call->stage == FC_STAGE_ANSWERED) {
        conclude_by_answer(call);
        return;
    }
    if ((slots[SLOT_PROCESS].revents != 0 || has_to_ask(call)) && fc_process_is_over(&call->process))
        conclude(call);
}

bool fc_call_loop(struct forkcall_call *call, uint64_t until_ns)
{
    while (call->stage != FC_STAGE_DONE) {
        struct pollfd slots[SLOT_COUNT];
        fill_slots(call, slots);
        poll_slots(slots, timeout_ms(call, until_ns));
        handle(call, slots);
        if (call->stage == FC_STAGE_DONE)
            break;
        const uint64_t now = fc_now_ns();
        if (now >= call->deadline_ns) {
            const enum fc_stage stage = call->stage;
            read_waiting_reply(call); /* a trailer and a deadline together: the trailer wins */
            if (call->stage == stage)
                deadline_passed(call);
        }
        if (fc_call_is_late_for_ready(call, now))
            fc_call_terminate(call, FC_CAUSE_NOT_READY);
        fc_call_rearm(call, false);
        if (now >= until_ns && call->stage != FC_STAGE_DONE)
            return false;
    }
    if (call->async && call->fds.listed)
        fc_wakeup_wake(&call->fds); /* the descriptor of a finished call stays readable */
    return true;
}
