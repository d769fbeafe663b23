/* HOST: forkcall_wait_any: waits for several calls under one poll(2), and for each by the same
 * descriptors as forkcall_wait. So no call needs a descriptor of its own for that. */
#include "base/io.h"
#include "base/kept.h"
#include "call/call.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* So many calls are waited for without memory from the heap. */
#define FEW 8

struct waiting {
    struct forkcall_call *const *calls; /* NULL: none at that index */
    size_t count;
    struct pollfd *slots, *used; /* FC_CALL_SLOTS for each call */
    /* The host's code has run since the descriptors of the calls were looked at, and may have
     * closed some. */
    bool stale;
};

static bool runs(const struct forkcall_call *call)
{
    return call != NULL && call->stage != FC_STAGE_DONE;
}

static uint64_t end_ns(const struct forkcall_call *call)
{
    return call->start_ns + call->report.elapsed_ns;
}

/* The call that was the first to end, so that none waits for ever behind others that end all the
 * time; -1: none has ended. */
static int first_done(const struct waiting *w)
{
    int first = -1;
    for (size_t i = 0; i < w->count; i++)
        if (w->calls[i] != NULL && !runs(w->calls[i]) && (first < 0 || end_ns(w->calls[i]) < end_ns(w->calls[first])))
            first = (int)i;
    return first;
}

/* The functions of the host that a step may have called. */
static bool calls_back(const struct forkcall_call *call)
{
    return call->rules.progress != NULL || call->options.output != NULL || call->tracer != 0;
}

static void take_step(struct waiting *w, struct forkcall_call *call, const struct pollfd *slots)
{
    if (!fc_call_is_due(call, slots))
        return;
    if (w->stale)
        fc_call_come_back(call);
    w->stale = w->stale || calls_back(call);
    fc_call_step(call, slots);
    fc_call_wake_done(call);
}

/* Polls for ms at most, and moves each call on as far as it goes now. */
static void take_turn(struct waiting *w, int ms)
{
    for (size_t i = 0; i < w->count; i++) {
        struct pollfd *slots = &w->slots[i * FC_CALL_SLOTS];
        if (runs(w->calls[i]))
            fc_call_fill_slots(w->calls[i], slots);
        else
            for (int j = 0; j < FC_CALL_SLOTS; j++)
                slots[j] = (struct pollfd){.fd = -1};
    }
    fc_call_poll(w->slots, w->used, w->count, ms);
    for (size_t i = 0; i < w->count; i++)
        if (runs(w->calls[i]))
            take_step(w, w->calls[i], &w->slots[i * FC_CALL_SLOTS]);
}

/* What the host has closed never becomes ready, and what it has opened by the same number may not
 * be read. So descriptors are looked at before a wait; for those that are ready, before a step. */
static void look_at_descriptors(struct waiting *w)
{
    for (size_t i = 0; w->stale && i < w->count; i++) {
        if (!runs(w->calls[i]))
            continue;
        fc_call_come_back(w->calls[i]);
        fc_call_wake_done(w->calls[i]);
    }
    w->stale = false;
}

static int shortest_ms(const struct waiting *w, uint64_t until_ns)
{
    int shortest = -1;
    for (size_t i = 0; i < w->count; i++) {
        if (w->calls[i] == NULL)
            continue;
        const int ms = runs(w->calls[i]) ? fc_call_poll_ms(w->calls[i], until_ns) : 0;
        if (ms >= 0 && (shortest < 0 || ms < shortest))
            shortest = ms;
    }
    return shortest;
}

/* Every turn looks at all calls, also where one is done already: a deadline of another one acts
 * whatever the others do. */
static int wait_for(struct waiting *w, uint64_t until_ns)
{
    for (int ms = 0;; ms = shortest_ms(w, until_ns)) {
        take_turn(w, ms);
        const int done = first_done(w);
        if (done >= 0)
            return done;
        if (fc_now_ns() >= until_ns)
            return -ETIMEDOUT;
        look_at_descriptors(w);
    }
}

/* 0, or what is wrong with the calls. */
static int check(struct forkcall_call *const *calls, size_t count)
{
    const pid_t self = getpid();
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (calls[i] == NULL)
            continue;
        if (calls[i]->owner != self)
            return -EPERM;
        found++;
    }
    return found > 0 ? 0 : -ECHILD;
}

int forkcall_wait_any(struct forkcall_call *const *calls, size_t count, int timeout_ms)
{
    struct pollfd few[2 * FEW * FC_CALL_SLOTS];
    if ((calls == NULL && count > 0) || count > INT_MAX || timeout_ms < -1)
        return -EINVAL;
    const uint64_t until = timeout_ms < 0 ? UINT64_MAX : fc_now_ns() + (uint64_t)timeout_ms * 1000000U;
    const struct fc_kept kept = fc_keep();
    int r = check(calls, count);
    if (r == 0) {
        struct pollfd *more = count > FEW ? calloc(count, sizeof *more * 2 * FC_CALL_SLOTS) : NULL;
        struct pollfd *slots = count > FEW ? more : few;
        struct waiting w = {.calls = calls, .count = count, .slots = slots, .stale = true};
        if (slots != NULL)
            w.used = slots + count * FC_CALL_SLOTS;
        r = slots != NULL ? wait_for(&w, until) : -ENOMEM;
        free(more);
    }
    fc_restore(kept);
    return r;
}
