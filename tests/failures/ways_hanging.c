/* Functions that do not end, and say before how far they are. */
#include "ways.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static void report(void)
{
    forkcall_progress(37, 100, "parsing chunk 12");
}

LEAF(spins)
{
    report();
    while (zero == 0)
        sink = n;
    return n;
}
CALLS(spins)

LEAF(sleeps)
{
    report();
    while (zero == 0)
        sleep((unsigned)n);
    return n;
}
CALLS(sleeps)

LEAF(deadlocks)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    report();
    pthread_mutex_lock(&mutex);
    pthread_mutex_lock(&mutex);
    return n;
}
CALLS(deadlocks)

LEAF(reads_nothing)
{
    int ends[2];
    if (pipe(ends) < 0)
        return 1;
    report();
    return (int)read(ends[0], ends, 1) + n;
}
CALLS(reads_nothing)

LEAF(stops)
{
    report();
    return raise(SIGSTOP) + n;
}
CALLS(stops)

static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

LEAF(blocks_and_spins)
{
    block_signals();
    report();
    while (zero == 0)
        sink = n;
    return n;
}
CALLS(blocks_and_spins)

LEAF(blocks_and_sleeps)
{
    block_signals();
    report();
    while (zero == 0)
        sleep((unsigned)n);
    return n;
}
CALLS(blocks_and_sleeps)

static void urgent(int signal)
{
    sink = signal;
}

LEAF(has_own_handler)
{
    (void)signal(SIGURG, urgent);
    report();
    while (zero == 0)
        sleep((unsigned)n);
    return n;
}
CALLS(has_own_handler)

LEAF(becomes_another)
{
    report();
    return execlp("sleep", "sleep", "100", (char *)NULL) + n;
}
CALLS(becomes_another)

static void limit_time(struct forkcall_options *options)
{
    options->timeout_ms = 50;
}

#define HANGS_AND(name, words, flags) \
    WAY_WITH(name, TIMED_OUT, "at 37 %: parsing chunk 12" words, HANGS | (flags), limit_time)

const struct way hanging_ways[] = {
    HANGS_AND(spins, ", in ", NAMES | DIRECT), HANGS_AND(sleeps, "", NAMES),
    HANGS_AND(deadlocks, "", NAMES),           HANGS_AND(reads_nothing, "", NAMES),
    HANGS_AND(stops, ", it was stopped", 0),   HANGS_AND(blocks_and_spins, ", it was running", 0),
    HANGS_AND(blocks_and_sleeps, "", 0),       HANGS_AND(has_own_handler, "", 0),
    HANGS_AND(becomes_another, "", 0),
};
const unsigned hanging_way_count = COUNT_OF(hanging_ways);
