/* HOST: Tells of each call's life: to the program (forkcall_set_trace), to a person
 * (FORKCALL_DEBUG) and to tools (probes of sys/sdt.h). */
#include "call/call.h"

#include "base/code_pointer.h"
#include "base/io.h"
#include "base/kept.h"
#include "base/poll_fds.h"
#include "call/options.h"
#include "child/inline.h"
#include "config.h"
#include "crash/symbol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* At the end of a call its child may have been given back already. */
static pid_t pid_of(const struct forkcall_call *call)
{
    return call->stage == FC_STAGE_DONE ? call->report.pid : call->process.pid;
}

/* ---- Probes ---------------------------------------------------------------------------------- */

#ifdef HAVE_USDT
#define _SDT_HAS_SEMAPHORES 1 // NOLINT: the header's own name
#include <sys/sdt.h>

/* The kernel counts the tools that watch a probe here. The header wants one for each. */
#define SEMAPHORE(event)                                         \
    extern volatile unsigned short forkcall_##event##_semaphore; \
    __attribute__((section(".probes"), visibility("hidden"), used)) volatile unsigned short forkcall_##event##_semaphore
SEMAPHORE(start);
SEMAPHORE(ready);
SEMAPHORE(running);
SEMAPHORE(result);
SEMAPHORE(end);

#define PROBE(event)                                                                                     \
    STAP_PROBE5(forkcall, event, (unsigned long)call->number, (int)call->report.method, call->report.fn, \
                call->report.name, (int)pid_of(call))

/* The macros of the header leave a variable argument out. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
static void pass_probe(const struct forkcall_call *call, enum forkcall_trace_event event)
{
    switch (event) {
    case FORKCALL_TRACE_START:
        PROBE(start);
        break;
    case FORKCALL_TRACE_READY:
        PROBE(ready);
        break;
    case FORKCALL_TRACE_RUNNING:
        PROBE(running);
        break;
    case FORKCALL_TRACE_RESULT:
        PROBE(result);
        break;
    case FORKCALL_TRACE_END:
        STAP_PROBE7(forkcall, end, (unsigned long)call->number, (int)call->report.method, call->report.fn,
                    call->report.name, (int)pid_of(call), (int)call->report.status, call->report.code);
        break;
    }
}
#pragma GCC diagnostic pop

static bool is_probed(void)
{
    return forkcall_running_semaphore > 0;
}
#else
static void pass_probe(const struct forkcall_call *call, enum forkcall_trace_event event)
{
    (void)call;
    (void)event;
}

static bool is_probed(void)
{
    return false;
}
#endif

/* ---- Who is told ----------------------------------------------------------------------------- */

/* Each forkcall_set_trace is a registration with a number of its own. A call has the number of the
 * one that was in force at its start, and tells nobody else. */
#define COUNTERS 16U

static atomic_uint registration; /* in force; 0: none */
static atomic_int owner;         /* the process that has registered: a fork of it is not traced */
static _Atomic(forkcall_trace_fn *) trace_fn;
static _Atomic(void *) trace_user;
/* How many threads are in, or about to enter, the callback of a registration: that of number n in
 * the element n % COUNTERS. */
static atomic_uint inside[COUNTERS];
/* How often a number got that counter when nobody was inside. */
static atomic_uint uses[COUNTERS];
/* The process that changes the registration now; 0: none. That of another process died with the
 * thread that it belonged to, at the fork. */
static atomic_int setter;
static unsigned last; /* the last number that was given; protected by setter */

/* The process in which this thread runs the callback; 0: it does not. */
static _Thread_local pid_t telling;

static void lock(pid_t self)
{
    int other = 0;
    while (!atomic_compare_exchange_weak(&setter, &other, self))
        if (other == self) {
            fc_yield();
            other = 0;
        }
}

static void take_over(pid_t self)
{
    if (atomic_load(&owner) == self)
        return;
    for (unsigned i = 0; i < COUNTERS; i++)
        atomic_store(&inside[i], 0); /* threads that this process does not have */
    atomic_store(&owner, self);
}

/* A number whose counter no older registration uses, if there is one. */
static unsigned next_number(void)
{
    for (unsigned tries = 0; tries < COUNTERS; tries++)
        if (++last != 0 && atomic_load(&inside[last % COUNTERS]) == 0) {
            atomic_fetch_add(&uses[last % COUNTERS], 1);
            break;
        }
    return last != 0 ? last : ++last;
}

/* The callbacks of earlier registrations that ran when a new one began. */
struct earlier {
    bool runs[COUNTERS];
    unsigned use[COUNTERS];
};

/* Called before the new registration is in force: whoever enters later is not of an earlier one. */
static void find_earlier(struct earlier *earlier)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        earlier->runs[i] = atomic_load(&inside[i]) > 0;
        earlier->use[i] = atomic_load(&uses[i]);
    }
}

/* A counter that has a new use was 0 in between. Without that, the wait might go on for ever where
 * registrations follow each other fast. */
static void await_earlier(const struct earlier *earlier)
{
    for (unsigned i = 0; i < COUNTERS; i++)
        while (earlier->runs[i] && atomic_load(&inside[i]) > 0 && atomic_load(&uses[i]) == earlier->use[i])
            fc_pause();
}

void forkcall_set_trace(forkcall_trace_fn *fn, void *user)
{
    const pid_t self = getpid();
    const struct fc_kept kept = fc_keep();
    struct earlier earlier;
    lock(self);
    atomic_store(&registration, 0);
    take_over(self);
    atomic_store(&trace_fn, fn);
    atomic_store(&trace_user, user);
    const unsigned number = next_number();
    find_earlier(&earlier);
    atomic_store(&registration, fn != NULL ? number : 0);
    atomic_store(&setter, 0);
    /* A callback that waited here for itself, or for one that waits for it, would wait for ever. */
    if (telling != self)
        await_earlier(&earlier);
    fc_restore(kept);
}

/* Whether the number is in force, and what belongs to it. */
static bool look_up(unsigned number, forkcall_trace_fn **fn, void **user)
{
    if (atomic_load(&registration) != number)
        return false;
    *fn = atomic_load(&trace_fn);
    *user = atomic_load(&trace_user);
    return atomic_load(&registration) == number; /* else the two may be of another */
}

/* True: the callback was called. In a fork that the callback has made, it returns as well: there
 * the counter is another one, which forkcall_set_trace sets to 0. */
static bool tell(pid_t self, unsigned number, const struct forkcall_trace *trace)
{
    forkcall_trace_fn *fn;
    void *user;
    atomic_uint *counter = &inside[number % COUNTERS];
    atomic_fetch_add(counter, 1);
    const bool told = look_up(number, &fn, &user);
    if (told) {
        const pid_t before = telling;
        telling = self;
        fc_callback_enter();
        fn(user, trace);
        (void)fc_callback_leave();
        telling = before;
    }
    if (!told || getpid() == self)
        atomic_fetch_sub(counter, 1);
    return told;
}

/* ---- A person -------------------------------------------------------------------------------- */

static void print(const struct forkcall_call *call, const struct forkcall_trace *trace)
{
    static const char *const events[] = {"", "start", "ready", "running", "result", "end"};
    static const char *const methods[] = {"AUTO", "FORK", "SERVER", "SPAWN", "INLINE"};
    const bool ends = trace->event == FORKCALL_TRACE_END;
    char name[256] = "the call";
    char pid[32] = "";
    if (trace->name[0] != '\0')
        (void)snprintf(name, sizeof name, "%s", trace->name);
    else if (trace->fn != NULL)
        fc_symbols_function_name(&fc_symbols_tables, fc_code_address(trace->fn), name, sizeof name);
    if (trace->pid > 0)
        (void)snprintf(pid, sizeof pid, ", pid %d", (int)trace->pid);
    fprintf(stderr, "forkcall: #%llu %s: %s after %.3f ms (%s%s)%s%s\n", (unsigned long long)trace->call, name,
            events[trace->event], (double)(trace->time_ns - trace->start_ns) / 1e6,
            (unsigned)trace->method < sizeof methods / sizeof *methods ? methods[trace->method] : "?", pid,
            ends ? ": " : "", ends ? forkcall_status_name(call->report.status) : "");
}

/* ---- A call ---------------------------------------------------------------------------------- */

void fc_call_trace(struct forkcall_call *call, enum forkcall_trace_event event)
{
    const unsigned bit = 1U << event;
    if ((call->traced & bit) != 0)
        return;
    call->traced |= bit;
    pass_probe(call, event);
    if ((call->tracer == 0 && !call->debugs) || call->owner != getpid())
        return;
    const int error = errno;
    const struct forkcall_trace trace = {.event = event,
                                         .method = call->report.method,
                                         .call = call->number,
                                         .time_ns = event == FORKCALL_TRACE_START ? call->start_ns : fc_now_ns(),
                                         .start_ns = call->start_ns,
                                         .pid = pid_of(call),
                                         .fn = call->report.fn,
                                         .name = call->report.name,
                                         .report = event == FORKCALL_TRACE_END ? &call->report : NULL};
    if (call->debugs)
        print(call, &trace);
    const bool has_channel = event != FORKCALL_TRACE_START && event != FORKCALL_TRACE_END && call->fds.listed;
    if (call->tracer != 0 && tell(call->owner, call->tracer, &trace) && has_channel)
        fc_call_come_back(call);
    errno = error;
}

void fc_call_trace_start(struct forkcall_call *call)
{
    const unsigned number = atomic_load_explicit(&registration, memory_order_relaxed);
    /* A call that the callback makes would have a callback, which would make a call … */
    if (number != 0 && atomic_load(&owner) == call->owner && telling != call->owner)
        call->tracer = number;
    call->debugs = fc_options_debug(&call->options);
    fc_call_trace(call, FORKCALL_TRACE_START);
}

void fc_call_trace_reply(struct forkcall_call *call)
{
    if (call->reply.started)
        fc_call_trace(call, FORKCALL_TRACE_RUNNING);
    if (call->reply.done || (call->reply.answered && !call->reply.malformed))
        fc_call_trace(call, FORKCALL_TRACE_RESULT);
}

bool fc_call_trace_wants_running(const struct forkcall_call *call)
{
    return call->tracer != 0 || call->debugs || is_probed();
}
