/* Measures the time from the faulting instruction in the child until the caller learns of the
 * crash. */
#include "bench.h"
#include "handmade.h"
#include "library_calls.h"
#include "workload.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

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

/* ---- An explanation -------------------------------------------------------------------------- */

static volatile int sink;

static int crashing_comparison(const void *a, const void *b)
{
    (void)a;
    (void)b;
    sink = *(const volatile int *)(uintptr_t)(sink * 8);
    return 0;
}

__attribute__((noinline)) static int call_0(int n)
{
    int numbers[] = {3, n, 1};
    qsort(numbers, 3, sizeof numbers[0], crashing_comparison);
    return numbers[0];
}

/* Functions that call each other: a recursion is shown once. */
#define CALL(name, callee)                                  \
    __attribute__((noinline)) static int call_##name(int n) \
    {                                                       \
        const int answer = call_##callee(n + 1);            \
        sink = sink + 1;                                    \
        return answer + 1;                                  \
    }
CALL(1, 0)
CALL(2, 1)
CALL(3, 2)
CALL(4, 3)
CALL(5, 4)
CALL(6, 5)
CALL(7, 6)
CALL(8, 7)
CALL(9, 8)
CALL(10, 9)
CALL(11, 10)
CALL(12, 11)
CALL(13, 12)
CALL(14, 13)
CALL(15, 14)
CALL(16, 15)
CALL(17, 16)
CALL(18, 17)
CALL(19, 18)
CALL(20, 19)
CALL(21, 20)
CALL(22, 21)
CALL(23, 22)
CALL(24, 23)
CALL(25, 24)
CALL(26, 25)
CALL(27, 26)
CALL(28, 27)
CALL(29, 28)
CALL(30, 29)
CALL(31, 30)
CALL(32, 31)

static int crash_deep_in_child(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)result;
    return call_32((int)args_size);
}

static int64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The processor time, not the time that passes. */
static int64_t explain_frames(void *context)
{
    const struct forkcall_report *report = context;
    char text[16384];
    const int64_t before = processor_ns();
    const int length = forkcall_explain(report, text, sizeof text);
    return length > 0 ? processor_ns() - before : RUN_FAILED;
}

static void run_explain_row(struct bench *bench)
{
    struct forkcall_report report = forkcall_run(crash_deep_in_child, NULL, 0, NULL, &by_fork);
    const struct variant variant = {"explain", explain_frames, &report};
    const struct effort effort = {.warm_up = 2, .min_rounds = 20, .max_rounds = 300, .seconds = 2};
    struct summary time;
    if (report.crash.frame_count < FORKCALL_CRASH_FRAMES) {
        print_skip(bench, "crash: explain 32 frames", "the stack cannot be unwound so far here");
        return;
    }
    measure(bench, &variant, 1, effort, &time);
    print_row(bench, &(struct row){"crash: explain 32 frames, CPU", "", NULL, &time, 5000, UNIT_TIME});
}

/* What it costs a call that succeeds that its crash would be told. */
static void run_capture_row(struct bench *bench)
{
    struct forkcall_options without = {.method = FORKCALL_FORK, .no_crash_capture = true};
    const struct variant variants[] = {{"call without capture", library_call, &without},
                                       {"call with capture", library_call, NULL}};
    const struct effort effort = {.warm_up = 10, .min_rounds = 200, .max_rounds = 5000, .seconds = 5};
    struct summary times[2];
    measure(bench, variants, 2, effort, times);
    print_row(bench, &(struct row){"crash: capture in a call that succeeds", "no_crash_capture", &times[0], &times[1],
                                   1.02, UNIT_TIME});
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
    run_explain_row(bench);
    run_capture_row(bench);
    munmap(fault_ns, sizeof(uint64_t));
}

const struct group crash_group = {"crash", "from the fault to the report (core files off)", run_crash_rows, false};
