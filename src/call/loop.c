/* HOST: The loop of a call: waits by poll(2) for its reply, its process, its captured streams and
 * its deadline. */
#include "call/call.h"

#include "base/io.h"
#include "base/poll_fds.h"
#include "call/output.h"
#include "call/unreaped.h"
#include "call/wakeup.h"
#include "os/debugger.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* How long a tool may take at the end of a process without a deadline. */
#define TOOL_END_NS 30000000000U
/* How long a server may take to tell how its child has ended, if the call has so much time: many
 * threads may ask it at once, on a machine that hardly lets it run. */
#define SERVER_WORD_NS 10000000000U
/* A deadline that comes while a debugger is attached comes again after that time. */
#define LOOK_AGAIN_NS 1000000000U

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- Signals and deadlines ------------------------------------------------------------------- */

/* Asks the kernel how a child of a server has ended. That helps if the server is gone or does not
 * answer, and the host has a pidfd of the child. */
static bool ask_kernel(const struct fc_process *process, struct fc_ending *ending)
{
    return process->fd >= 0 && !process->fd_is_socket && fc_process_watch_is_over(process) &&
           fc_process_watch_has_ended(process, ending);
}

/* The process has not ended within its time after SIGKILL. The call ends without it. */
static void abandon(struct forkcall_call *call)
{
    const struct fc_process *process = &call->process;
    struct fc_ending ending = {.wait_status = -1};
    fc_call_take_result(call);
    if (!fc_call_has_done_its_work(call))
        fc_process_signal_group(process, SIGKILL);
    if (!process->remote) /* a server reaps its own children */
        fc_unreaped_add(process, &call->fds);
    else if (!ask_kernel(process, &ending))
        ending = (struct fc_ending){.wait_status = -1};
    fc_call_conclude(call, &ending);
}

static void time_out(struct forkcall_call *call)
{
    if (fc_debugger_is_attached(call->process.pid))
        fc_call_move_deadline(call, fc_now_ns() + LOOK_AGAIN_NS);
    else
        fc_call_terminate(call, FC_CAUSE_TIMEOUT);
}

void fc_call_time_out(struct forkcall_call *call)
{
    if (call->stage != FC_STAGE_RUNNING)
        return;
    time_out(call);
    fc_call_rearm(call, false);
}

static void deadline_passed(struct forkcall_call *call)
{
    switch (call->stage) {
    case FC_STAGE_RUNNING:
        if (call->items_begun == NULL) /* else see fc_call_time_out */
            time_out(call);
        break;
    case FC_STAGE_TERMINATING:
        fc_call_end_grace(call);
        break;
    case FC_STAGE_ASKED:
        fc_call_kill_all(call);
        break;
    case FC_STAGE_ANSWERED:
        /* Not its group: what the function has started may go on. */
        fc_process_signal(&call->process, SIGKILL);
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

/* The end of the call's time; at most longest_ns from now on, and at least the usual time. */
static uint64_t end_by_ns(const struct forkcall_call *call, uint64_t longest_ns)
{
    const uint64_t now = fc_now_ns();
    const uint64_t usual = now + FC_CALL_END_NS;
    const uint64_t longest = earlier(call->deadline_ns, now + longest_ns);
    return longest > usual ? longest : usual;
}

/* Reads once. False: there was nothing to read. */
static bool read_reply(struct forkcall_call *call)
{
    const int r = fc_reply_receive(&call->reply, &call->rules, call->fds.fd[FC_FD_REPLY]);
    fc_call_trace_reply(call);
    if (call->rules.progress != NULL)
        fc_call_come_back(call);
    /* A hostile child can open its own pipe for reading, and take what poll(2) has reported. */
    if (r == -EAGAIN)
        return false;
    if (call->reply.done || (call->reply.answered && !call->reply.malformed)) {
        const bool speaks = fc_reply_tool_speaks_at_end(&call->reply);
        fc_call_set_stage(call, FC_STAGE_ANSWERED, end_by_ns(call, speaks ? TOOL_END_NS : 0));
    } else if (call->reply.malformed) {
        fc_call_terminate(call, FC_CAUSE_MALFORMED);
    } else if (call->reply.no_memory) {
        fc_call_terminate(call, FC_CAUSE_NO_MEMORY);
    } else if (call->stage == FC_STAGE_ASKED && call->reply.has_where) {
        if (!fc_call_hear_where(call))
            fc_call_kill_all(call);
    } else if (call->reply.cancel) {
        fc_call_terminate(call, FC_CAUSE_CANCEL);
    } else if (r < 0 && call->task.keep) {
        /* What the child says cannot be read. It may have answered, and wait for another request
         * rather than end. */
        fc_call_terminate(call, FC_CAUSE_CLOSED);
    }
    /* A child that is kept says more through it. */
    const bool is_over = r <= 0 || (call->reply.done && !call->task.keep);
    if (is_over || call->reply.malformed || call->reply.no_memory)
        fc_call_close_fd(call, FC_FD_REPLY);
    return true;
}

/* Reads what is in the pipe of the reply now, without waiting for more. */
static void read_waiting_reply(struct forkcall_call *call)
{
    for (int i = 0; i < FC_READS_MAX && fc_call_is_readable(call, FC_FD_REPLY); i++)
        if (!read_reply(call))
            return;
}

/* ---- The end --------------------------------------------------------------------------------- */

/* Frees the memory of a result that was never finished, at once: the system may be about to kill
 * another process for want of it. The region is emptied and not only closed, because a process that
 * the function has started may hold it as well. */
static void give_memory_back(struct forkcall_call *call)
{
    if (call->reply.done || call->fds.fd[FC_FD_REGION] < 0)
        return;
    if (ftruncate(call->fds.fd[FC_FD_REGION], 0) < 0) {
        /* The function has sealed the region, so it goes when the last holder closes it. */
    }
    fc_call_close_fd(call, FC_FD_REGION);
}

/* Closes what is not needed any more: to ask a server how its child has ended takes two
 * descriptors, and this process may have none left. */
static void close_unneeded(struct forkcall_call *call)
{
    static const enum fc_fd read_out[] = {FC_FD_REPLY, FC_FD_OUT, FC_FD_ERR, FC_FD_REGION};
    if (!call->process.remote || call->reply.done)
        return;
    for (size_t i = 0; i < sizeof read_out / sizeof *read_out; i++)
        if (call->fds.fd[read_out[i]] >= 0)
            fc_call_close_fd(call, read_out[i]);
}

/* Asks the server once how its child has ended, and looks whether it has answered. Does not wait,
 * because a server may be stopped. True: ending is as good as it will be. */
static bool server_has_answered(struct forkcall_call *call, struct fc_ending *ending)
{
    const struct fc_process *process = &call->process;
    const enum fc_fd answer = process->fd_is_socket ? FC_FD_PROCESS : FC_FD_STATUS;
    int told = 0;
    if (call->fds.fd[answer] < 0) {
        told = process->remote->ask_ending(process, &call->fds, answer) == -EPIPE ? -1 : 0;
        fc_wakeup_also(&call->fds, call->fds.fd[answer]);
    }
    if (call->fds.fd[answer] >= 0)
        told = process->remote->receive_ending(call->fds.fd[answer], ending);
    if (told > 0)
        return true;
    *ending = (struct fc_ending){.wait_status = -1};
    if (told < 0 && !ask_kernel(process, ending))
        *ending = (struct fc_ending){.wait_status = -1};
    return told < 0;
}

static bool has_ended(struct forkcall_call *call, struct fc_ending *ending)
{
    return call->process.remote ? server_has_answered(call, ending) : fc_process_has_ended(&call->process, ending);
}

/* How long to wait for what only others can tell of the end; 0: as long as usual. */
static uint64_t word_ns(const struct fc_process *process)
{
    return process->remote != NULL && !process->remote->is_stopped(process->server) ? SERVER_WORD_NS : 0;
}

/* The kernel reports that the child has ended: reads what is left, kills the group, reaps the
 * child. */
static void conclude(struct forkcall_call *call)
{
    struct fc_ending ending;
    /* Another thread of the host may have closed the pipe of the reply. */
    if (!call->reply.done)
        fc_call_come_back(call);
    if (call->stage == FC_STAGE_DONE)
        return;
    if (!call->unreapable) {
        read_waiting_reply(call);
        fc_reply_settle(&call->reply);
        give_memory_back(call);
        fc_call_take_result(call);
        /* The group is killed before its leader is reaped, because its number may be given to
         * another group afterwards, and before the host's callbacks, which may take long. */
        if (!fc_call_has_done_its_work(call))
            fc_process_signal_group(&call->process, SIGKILL);
        fc_output_rest(call, FC_FD_OUT);
        fc_output_rest(call, FC_FD_ERR);
        close_unneeded(call);
    }
    const uint64_t held_ns = fc_now_ns();
    if (has_ended(call, &ending)) {
        /* A known usage means that this process has reaped the child. */
        if (ending.usage_known && !fc_call_has_done_its_work(call))
            fc_process_reap_group(&call->process, held_ns);
        fc_call_conclude(call, &ending);
    } else if (!call->unreapable) {
        /* A tracer holds the process, or the server has not answered yet. The descriptor of the
         * process stays readable from now on and would keep an event loop busy. */
        call->unreapable = true;
        fc_wakeup_forget(&call->fds, call->process.fd);
        fc_call_set_stage(call, FC_STAGE_KILLED, end_by_ns(call, word_ns(&call->process)));
    }
}

/* False: a tool that watches the child may have something to say when the child ends, or before it
 * says that it is fit for another call. Nobody tells its end where the host has closed the
 * descriptor for that. */
static bool answer_is_enough(const struct forkcall_call *call)
{
    return !fc_reply_tool_speaks_at_end(&call->reply) || call->process.fd < 0 ||
           (call->task.keep && call->reply.rest_size >= sizeof(struct fc_frame_header));
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
_Static_assert(SLOT_COUNT == FC_CALL_SLOTS, "those of call/call.h");

static bool is_ending(const struct forkcall_call *call)
{
    return call->stage != FC_STAGE_RUNNING;
}

/* Polls only the slots that have a descriptor, because poll(2) refuses more entries than
 * RLIMIT_NOFILE. */
void fc_call_poll(struct pollfd *slots, struct pollfd *used, size_t calls, int ms)
{
    const size_t slot_count = calls * SLOT_COUNT;
    nfds_t count = 0;
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].fd >= 0)
            used[count++] = slots[i];
    const int r = fc_poll(used, count, ms);
    /* poll(2) itself failed (ENOMEM, RLIMIT_NOFILE below the number of descriptors): each is taken
     * for ready after a pause. */
    if (r < 0 && errno != EINTR) {
        fc_pause();
        for (size_t i = 0; i < slot_count; i++)
            if (slots[i].fd >= 0 && i % SLOT_COUNT != SLOT_CANCEL)
                slots[i].revents = POLLIN; /* reading never waits, so a wrong guess costs nothing */
            else if (slots[i].fd >= 0)
                (void)fc_poll(&slots[i], 1, 0); /* may be possible for one, and no guess will do */
        return;
    }
    count = 0;
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].fd >= 0 && r > 0)
            slots[i].revents = used[count++].revents;
}

void fc_call_fill_slots(const struct forkcall_call *call, struct pollfd slots[FC_CALL_SLOTS])
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

static uint64_t next_deadline(const struct forkcall_call *call)
{
    return earlier(call->deadline_ns, call->ready_by_ns);
}

int fc_call_poll_ms(struct forkcall_call *call, uint64_t until_ns)
{
    const uint64_t first = earlier(until_ns, next_deadline(call));
    int ms = to_ms(fc_now_ns(), first);
    if (has_to_ask(call)) {
        const int backoff = fc_process_backoff_ms(call->polls++);
        ms = ms < 0 || backoff < ms ? backoff : ms;
    }
    return ms;
}

/* The time at which the descriptor for an event loop becomes readable though nothing has come. */
static uint64_t next_look(const struct forkcall_call *call)
{
    const uint64_t deadline = next_deadline(call);
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
    /* Re-arming may have taken back a wake-up of forkcall_cancel that came at the same time. */
    if (call->stage == FC_STAGE_RUNNING && atomic_load(&call->cancel_requested))
        fc_wakeup_wake(&call->fds);
}

bool fc_call_is_due(const struct forkcall_call *call, const struct pollfd slots[FC_CALL_SLOTS])
{
    for (int i = 0; i < SLOT_COUNT; i++)
        if (slots[i].revents != 0)
            return true;
    return has_to_ask(call) || atomic_load(&call->cancel_requested) || fc_now_ns() >= next_deadline(call);
}

static void handle(struct forkcall_call *call, const struct pollfd slots[SLOT_COUNT])
{
    for (int i = 0; i < SLOT_COUNT; i++)
        if ((slots[i].revents & POLLNVAL) != 0 && i != SLOT_CANCEL) /* closed by another thread */
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
    if (call->stage == FC_STAGE_DONE) /* the host has closed its descriptors */
        return;
    if (call->process.remote && call->reply.done && call->stage == FC_STAGE_ANSWERED && answer_is_enough(call)) {
        conclude_by_answer(call);
        return;
    }
    if ((slots[SLOT_PROCESS].revents != 0 || has_to_ask(call)) && fc_process_is_over(&call->process))
        conclude(call);
}

bool fc_call_reject(struct forkcall_call *call)
{
    if (call->stage == FC_STAGE_DONE)
        return false;
    call->reply.malformed = true;
    fc_call_terminate(call, FC_CAUSE_MALFORMED);
    if (call->fds.fd[FC_FD_REPLY] >= 0)
        fc_call_close_fd(call, FC_FD_REPLY);
    return true;
}

void fc_call_read_all(struct forkcall_call *call)
{
    if (call->stage == FC_STAGE_DONE)
        return;
    read_waiting_reply(call);
    if (call->fds.fd[FC_FD_OUT] >= 0)
        fc_output_rest(call, FC_FD_OUT);
    if (call->fds.fd[FC_FD_ERR] >= 0)
        fc_output_rest(call, FC_FD_ERR);
}

static void look_at_deadlines(struct forkcall_call *call, uint64_t now_ns)
{
    if (now_ns >= call->deadline_ns) {
        const enum fc_stage stage = call->stage;
        /* If trailer and deadline come together, the trailer counts. */
        read_waiting_reply(call);
        if (call->stage == stage)
            deadline_passed(call);
    }
    if (fc_call_is_late_for_ready(call, now_ns) && !fc_debugger_is_attached(call->process.pid))
        fc_call_terminate(call, FC_CAUSE_NOT_READY);
}

uint64_t fc_call_step(struct forkcall_call *call, const struct pollfd slots[FC_CALL_SLOTS])
{
    uint64_t now = 0;
    if (call->stage != FC_STAGE_DONE)
        handle(call, slots);
    if (call->stage != FC_STAGE_DONE) {
        now = fc_now_ns();
        look_at_deadlines(call, now);
        fc_call_rearm(call, false);
    }
    return now;
}

void fc_call_wake_done(const struct forkcall_call *call)
{
    if (call->stage == FC_STAGE_DONE && call->async && call->fds.listed)
        fc_wakeup_wake(&call->fds);
}

bool fc_call_loop(struct forkcall_call *call, uint64_t until_ns)
{
    while (call->stage != FC_STAGE_DONE) {
        struct pollfd slots[SLOT_COUNT];
        struct pollfd used[SLOT_COUNT];
        fc_call_fill_slots(call, slots);
        fc_call_poll(slots, used, 1, fc_call_poll_ms(call, until_ns));
        const uint64_t now = fc_call_step(call, slots);
        if (now >= until_ns && call->stage != FC_STAGE_DONE)
            return false;
    }
    fc_call_wake_done(call);
    return true;
}
