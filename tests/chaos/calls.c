/* The calls of the chaos test: their functions, and the judgement of how they ended. */
#include "time_factor.h"

#include "calls.h"

#include <errno.h>
#include <forkcall.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_BOARD 98   /* the exit code of a function that could not count that it ran */
#define OWN_FAILURE 5 /* the error code of KIND_FAIL */
#define OWN_STATUS 3  /* the exit status of KIND_EXIT */
#if defined TEST_PORTABLE || !defined __GLIBC__
#define TOLD_STATUS (-1) /* atexit(3) notices the exit, but not its status */
#else
#define TOLD_STATUS OWN_STATUS
#endif
#define PLENTY_MS (20000 * time_factor()) /* reached only if something stops the call */
#define LARGE (1U << 20)

struct order {
    uint64_t serial;
    int32_t slot;
    int32_t kind;
    uint32_t size;
    char board_path[128];
};

/* ---- CHILD: the function --------------------------------------------------------------------- */

static unsigned char byte_at(uint64_t serial, size_t i)
{
    return (unsigned char)((serial * 31 + i * 7 + (i >> 8)) & 0xff);
}

static bool note_that_it_runs(const struct order *order)
{
    struct board *board = board_map(order->board_path);
    if (board == NULL)
        return false;
    struct slot *slot = &board->slot[order->slot];
    if (atomic_load(&slot->serial) == order->serial)
        atomic_fetch_add(&slot->runs, 1);
    else
        atomic_fetch_add(&board->strays, 1);
    return true;
}

static int fill(struct forkcall_buf *result, const struct order *order)
{
    unsigned char *bytes = forkcall_buf_extend(result, order->size);
    if (bytes == NULL)
        return ENOMEM;
    for (size_t i = 0; i < order->size; i++)
        bytes[i] = byte_at(order->serial, i);
    return 0;
}

static int work(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct order *order = args;
    (void)args_size;
    if (!note_that_it_runs(order))
        return NO_BOARD;
    switch ((enum kind)order->kind) {
    case KIND_ANSWER:
    case KIND_LARGE:
        return fill(result, order);
    case KIND_FAIL:
        return forkcall_fail(OWN_FAILURE, "call %llu fails", (unsigned long long)order->serial);
    case KIND_CRASH:
        abort();
    case KIND_EXIT:
        exit(OWN_STATUS);
    case KIND_HANG:
        for (;;)
            pause();
    case KIND_SLEEP:
        usleep(order->size % 20000);
        return fill(result, order);
    case KIND_COUNT:
        break;
    }
    return EINVAL;
}

/* ---- HOST: how calls end --------------------------------------------------------------------- */

static bool is_answer(const struct forkcall_buf *result, const struct order *order)
{
    const unsigned char *bytes = result->data;
    if (result->size != order->size)
        return false;
    for (size_t i = 0; i < order->size; i++)
        if (bytes[i] != byte_at(order->serial, i))
            return false;
    return true;
}

/* True: the outcome is one that havoc can cause in any call, by killing its processes or the
 * server, or by using up what it needs. Havoc never stops a process for so long that a call
 * reaches its deadline, unless its function hangs. */
static bool is_havoc(const struct host *host, const struct forkcall_report *report)
{
    static const int scarce[] = {EAGAIN, ENOMEM, EMFILE, ENFILE, ECONNRESET, ETIMEDOUT, ENOEXEC, ETOOMANYREFS};
    switch (report->status) {
    case FORKCALL_SIGNALED:
        return report->code == SIGKILL;
    case FORKCALL_LOST:
        return true;
    case FORKCALL_NOT_STARTED:
        for (size_t i = 0; i < sizeof scarce / sizeof *scarce; i++)
            if (report->code == scarce[i])
                return true;
        return host->may_lose_calls && report->code == EBADF;
    default:
        return false;
    }
}

static bool is_own_end(const struct forkcall_report *report, const struct order *order, bool canceled)
{
    if (canceled && report->status == FORKCALL_CANCELED)
        return true;
    if (report->status == FORKCALL_FAILED && report->code == NO_BOARD)
        return true;
    switch ((enum kind)order->kind) {
    case KIND_FAIL:
        return report->status == FORKCALL_FAILED && report->code == OWN_FAILURE;
    case KIND_CRASH:
        return report->status == FORKCALL_SIGNALED && report->code == SIGABRT;
    case KIND_EXIT:
        return report->status == FORKCALL_EXITED && report->code == TOLD_STATUS;
    case KIND_HANG:
        return report->status == FORKCALL_TIMED_OUT;
    default:
        return report->status == FORKCALL_OK;
    }
}

/* Returns what is wrong with an outcome, or NULL. ran must never be a wrong "no". It may be a
 * wrong "yes" only if the child was killed at its very first step. */
static const char *what_is_wrong(const struct host *host, const struct forkcall_report *report,
                                 const struct forkcall_buf *result, const struct order *order, bool canceled)
{
    const unsigned runs = atomic_load(&host->board->slot[order->slot].runs);
    const bool told = report->status == FORKCALL_OK || report->status == FORKCALL_EXITED;
    if (runs > 1)
        return "the function ran more than once";
    if (report->ran == FORKCALL_RAN_NO && runs != 0)
        return "it is said not to have run, and did";
    if (told && report->ran != FORKCALL_RAN_YES)
        return "it is not said to have run, and its own end is told";
    if (report->status == FORKCALL_OK && runs != 1)
        return "OK, and it did not run";
    if (report->status == FORKCALL_OK && !is_answer(result, order))
        return "OK, and the answer is wrong";
    if (report->status != FORKCALL_OK && result->size != 0)
        return "not OK, and there is a result";
    if (report->status != FORKCALL_OK && report->message[0] == '\0')
        return "no message";
    if (!is_own_end(report, order, canceled) && !is_havoc(host, report))
        return "an end that nothing here can have led to";
    return NULL;
}

/* The portable build does not end a child with its server, and only the server could signal the
 * child safely. Such children are listed, so that the test can kill them. */
static void note_lost(struct board *board, const struct forkcall_report *report)
{
    if (report->status != FORKCALL_LOST || report->method != FORKCALL_SERVER || report->pid <= 0)
        return;
    const unsigned i = atomic_fetch_add(&board->lost, 1);
    if (i < LOST_MAX)
        atomic_store(&board->lost_child[i], (int)report->pid);
}

static void judge(const struct host *host, const struct forkcall_report *report, const struct forkcall_buf *result,
                  const struct order *order, bool canceled)
{
    const char *wrong = what_is_wrong(host, report, result, order, canceled);
    atomic_fetch_add(&host->board->calls, 1);
    if (report->status == FORKCALL_OK)
        atomic_fetch_add(&host->board->ok, 1);
    note_lost(host->board, report);
    if (wrong == NULL)
        return;
    atomic_fetch_add(&host->board->wrong, 1);
    fprintf(stderr, "WRONG: %s: kind %d, method %d, %s, ran %d (seen %u), code %d: %s\n", wrong, (int)order->kind,
            (int)report->method, forkcall_status_name(report->status), (int)report->ran,
            atomic_load(&host->board->slot[order->slot].runs), report->code, report->message);
}

/* ---- HOST: making calls ---------------------------------------------------------------------- */

static struct forkcall_report make_async(const struct order *order, struct forkcall_buf *result,
                                         const struct forkcall_options *options, uint64_t *random, bool *canceled)
{
    struct forkcall_call *call = NULL;
    struct forkcall_report report = {.status = FORKCALL_NOT_STARTED, .ran = FORKCALL_RAN_NO, .code = ENOMEM};
    if (forkcall_start(&call, work, order, sizeof *order, result, options) < 0) {
        snprintf(report.message, sizeof report.message, "forkcall_start has no memory");
        return report;
    }
    if (draw(random, 3) == 0) {
        struct pollfd end = {.fd = forkcall_fd(call), .events = POLLIN};
        poll(&end, 1, (int)draw(random, 30));
    }
    forkcall_wait(call, draw(random, 2) == 0 ? 0 : (int)draw(random, 20));
    if (draw(random, 4) == 0)
        *canceled = forkcall_cancel(call) == 0;
    return forkcall_finish(call);
}

static struct order order_of(const struct host *host, int slot, enum kind kind, uint64_t *random)
{
    struct order order = {
        .slot = slot, .kind = (int32_t)kind, .size = 8 + draw(random, draw(random, 4) == 0 ? 200000 : 3000)};
    if (kind == KIND_LARGE)
        order.size = LARGE;
    order.serial = ((uint64_t)slot << 56) | (atomic_load(&host->board->slot[slot].serial) + 1);
    snprintf(order.board_path, sizeof order.board_path, "%s", host->board_path);
    return order;
}

static void begin(const struct host *host, const struct order *order, enum forkcall_method method, bool async)
{
    struct slot *slot = &host->board->slot[order->slot];
    atomic_store(&slot->runs, 0);
    atomic_store(&slot->method, (int)method);
    atomic_store(&slot->kind, order->kind);
    atomic_store(&slot->async, async);
    atomic_store(&slot->serial, order->serial);
    atomic_store(&slot->since_ns, now_ns());
}

void calls_make_one(const struct host *host, int slot, uint64_t *random)
{
    static const enum forkcall_method methods[] = {FORKCALL_AUTO, FORKCALL_SERVER, FORKCALL_SERVER, FORKCALL_FORK,
                                                   FORKCALL_SPAWN};
    /* Half of the calls only answer; the others are of a random kind. */
    const enum kind kind = draw(random, 2) == 0 ? KIND_ANSWER : (enum kind)draw(random, KIND_COUNT);
    const struct order order = order_of(host, slot, kind, random);
    const bool async = draw(random, 3) == 0;
    const struct forkcall_options options = {
        .method = methods[draw(random, sizeof methods / sizeof *methods)],
        .timeout_ms = kind == KIND_HANG ? 20 + (int)draw(random, 60) : PLENTY_MS,
        .grace_ms = draw(random, 8) == 0 ? 10 : 0,
        .allow_unsafe_fork = true,
        .reuse_child = draw(random, 2) == 0,
    };
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    if (draw(random, 3) == 0)
        result = forkcall_buf_shared(LARGE);
    bool canceled = false;
    begin(host, &order, options.method, async);
    const struct forkcall_report report = async ? make_async(&order, &result, &options, random, &canceled)
                                                : forkcall_run(work, &order, sizeof order, &result, &options);
    atomic_store(&host->board->slot[slot].since_ns, 0);
    judge(host, &report, &result, &order, canceled);
    forkcall_buf_free(&result);
}

bool calls_work_again(const struct host *host)
{
    static const enum forkcall_method methods[] = {FORKCALL_FORK, FORKCALL_SERVER, FORKCALL_SPAWN, FORKCALL_AUTO};
    uint64_t random = host->seed;
    bool all = true;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const struct order order = order_of(host, CALLERS, KIND_ANSWER, &random);
        const struct forkcall_options options = {
            .method = methods[i], .allow_unsafe_fork = true, .reuse_child = i % 2 == 1};
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        begin(host, &order, options.method, false);
        const struct forkcall_report report = forkcall_run(work, &order, sizeof order, &result, &options);
        atomic_store(&host->board->slot[CALLERS].since_ns, 0);
        if (report.status != FORKCALL_OK || !is_answer(&result, &order)) {
            fprintf(stderr, "WRONG: after all of it, method %d: %s: %s\n", (int)methods[i],
                    forkcall_status_name(report.status), report.message);
            all = false;
        }
        forkcall_buf_free(&result);
    }
    return all;
}
