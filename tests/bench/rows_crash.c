/* Measures the time from the faulting instruction in the child until the caller learns of the
 * crash. */
#include "bench.h"
#include "handmade.h"
#include "library_calls.h"
#include "workload.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static int crash_in_child(const void *args, size_t args_size, struct forkcall_buf *result)
{
    volatile uint64_t *fault_ns = NULL;
    (void)result;
    if (args_size != sizeof fault_ns)
        return forkcall_fail(1, "%zu bytes of arguments", args_size);
    fault_ns = *(volatile uint64_t *const *)args;
    crash_when_awaited(fault_ns);
}

static bool crash_was_told(const struct forkcall_report *report)
{
    return ended_as(report, FORKCALL_SIGNALED) && report->code == SIGSEGV && report->crash.signal == SIGSEGV;
}

static int64_t library_until_returned(void *context)
{
    volatile uint64_t *const fault_ns = context;
    *fault_ns = 0;
    const struct forkcall_report report = forkcall_run(crash_in_child, &fault_ns, sizeof fault_ns, NULL, &by_fork);
    const int64_t elapsed = elapsed_since(*fault_ns);
    return crash_was_told(&report) ? elapsed : RUN_FAILED;
}

/* Sleeps on the call's descriptor, as an event loop does, until the crash makes it readable. */
static int64_t await_crash(struct forkcall_call *call, const volatile uint64_t *fault_ns)
{
    struct pollfd watched = {.fd = forkcall_fd(call), .events = POLLIN};
    while (watched.fd >= 0 && poll(&watched, 1, -1) == 1) {
        const uint64_t seen = clock_ns();
        if (*fault_ns != 0)
            return (int64_t)(seen - *fault_ns);
        if (forkcall_wait(call, 0) != 0)
            break; /* the call ended before the crash */
    }
    return RUN_FAILED;
}

static int64_t library_until_readable(void *context)
{
    volatile uint64_t *const fault_ns = context;
    struct forkcall_call *call = NULL;
    *fault_ns = 0;
    if (forkcall_start(&call, crash_in_child, &fault_ns, sizeof fault_ns, NULL, &by_fork) != 0)
        return RUN_FAILED;
    const int64_t elapsed = await_crash(call, fault_ns);
    const struct forkcall_report report = forkcall_finish(call);
    return crash_was_told(&report) ? elapsed : RUN_FAILED;
}

static int64_t by_hand_until_readable(void *context)
{
    return handmade_crash(context, false);
}

static int64_t by_hand_until_status(void *context)
{
    return handmade_crash(context, true);
}

static void run_crash_rows(struct bench *bench)
{
    const struct rlimit no_core = {0, 0};
    void *const fault_ns = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fault_ns == MAP_FAILED || setrlimit(RLIMIT_CORE, &no_core) != 0) {
        print_skip(bench, "crash", "no shared memory, or core files cannot be turned off");
        return;
    }
    const struct variant variants[] = {
        {"crash by hand: frame", by_hand_until_readable, fault_ns},
        {"crash by hand: status", by_hand_until_status, fault_ns},
        {"crash: call readable", library_until_readable, fault_ns},
        {"crash: forkcall_run", library_until_returned, fault_ns},
    };
    const struct effort effort = {.warm_up = 5, .min_rounds = 100, .max_rounds = 1000, .seconds = 5};
    struct summary times[4];
    measure(bench, variants, 4, effort, times);
    print_row(bench, &(struct row){"crash: fault to report readable", "handler + write by hand", &times[0], &times[2],
                                   1.5, UNIT_TIME});
    print_row(bench, &(struct row){"crash: fault to forkcall_run's return", "handler + write + waitpid by hand",
                                   &times[1], &times[3], 0, UNIT_TIME});
    munmap(fault_ns, sizeof(uint64_t));
}

const struct group crash_group = {"crash", "from the fault to the report (core files off)", run_crash_rows, false};
