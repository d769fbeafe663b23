/* How do I run several calls at once inside an event loop, with deadlines and progress?
 *
 * Four searches run in four children under one poll(2). Each reports its progress, drawn as a bar
 * on a terminal and as plain lines elsewhere. The last one would never end, so its deadline ends
 * it. Exit status 0: three right answers and one FORKCALL_TIMED_OUT. */
#define _POSIX_C_SOURCE 200809L
#include <forkcall.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS 4
#define BAR_WIDTH 30

struct job {
    const char *name;
    long limit; /* count the primes below limit; 0: search for ever for an even prime above 2 */
    int timeout_ms;
    enum forkcall_status expected;
    long expected_count;
    /* changes while the job runs */
    struct forkcall_call *call; /* NULL: not running */
    long count;
    struct forkcall_buf result; /* over count */
    struct forkcall_report report;
    double done, total;
    int quarters; /* number of plain lines printed so far */
};

static bool is_prime(long n)
{
    for (long divisor = 2; divisor * divisor <= n; divisor++)
        if (n % divisor == 0)
            return false;
    return n >= 2;
}

/* Runs in a child. */
static int count_primes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const long limit = *(const long *)args;
    long count = 0;
    (void)args_size;
    for (long n = 0; n < limit; n++) {
        count += is_prime(n);
        if (n % 1000 == 0)
            forkcall_progress((double)n, (double)limit, NULL);
    }
    return forkcall_buf_append(result, &count, sizeof count);
}

/* Runs in a child, until its deadline. */
static int find_even_prime(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args, (void)args_size;
    for (long n = 4;; n = n < 1000000 ? n + 2 : 4) {
        if (is_prime(n))
            return forkcall_buf_append(result, &n, sizeof n);
        if (n % 100000 == 0)
            forkcall_progress((double)n, 0, NULL); /* total 0: the end is not known */
    }
}

/* Called in this process, from forkcall_wait. */
static int on_progress(void *user, double done, double total, const char *note)
{
    struct job *job = user;
    (void)note;
    job->done = done;
    job->total = total;
    return 0;
}

static void print_end(const struct job *job)
{
    if (job->report.status == FORKCALL_OK)
        printf("%-26s %ld\n", job->name, job->count);
    else
        printf("%-26s %s: %s\n", job->name, forkcall_status_name(job->report.status), job->report.message);
}

/* On a terminal: draws one line for each job, over the lines drawn before. */
static void draw_bars(const struct job *jobs, bool again)
{
    if (again)
        printf("\033[%dA", JOBS);
    for (int i = 0; i < JOBS; i++) {
        const struct job *job = &jobs[i];
        char bar[BAR_WIDTH + 1];
        const int full = job->total > 0 ? (int)(job->done / job->total * BAR_WIDTH) : 0;
        printf("\r\033[K");
        if (job->call == NULL) {
            if (job->report.status == FORKCALL_OK)
                print_end(job);
            else /* the message may be longer than a line of the terminal: run_all() prints it */
                printf("%-26s %s\n", job->name, forkcall_status_name(job->report.status));
            continue;
        }
        memset(bar, job->total > 0 ? '.' : '?', BAR_WIDTH);
        memset(bar, '#', (size_t)full);
        bar[BAR_WIDTH] = '\0';
        printf("%-26s [%s]\n", job->name, bar);
    }
    (void)fflush(stdout);
}

/* Elsewhere: prints a line for each quarter that was reached. */
static void print_quarters(struct job *jobs)
{
    for (int i = 0; i < JOBS; i++) {
        struct job *job = &jobs[i];
        const int quarters = job->total > 0 ? (int)(job->done / job->total * 4) : 0;
        if (job->call != NULL && quarters > job->quarters) {
            job->quarters = quarters;
            printf("%-26s %d %%\n", job->name, 25 * quarters);
        }
    }
}

static int start(struct job *job)
{
    const struct forkcall_options options = {.timeout_ms = job->timeout_ms, .progress = on_progress, .user = job};
    job->result = forkcall_buf_fixed(&job->count, sizeof job->count);
    return forkcall_start(&job->call, job->limit > 0 ? count_primes : find_even_prime, &job->limit, sizeof job->limit,
                          &job->result, &options);
}

static void finish(struct job *job)
{
    job->report = forkcall_finish(job->call);
    job->call = NULL;
}

/* Waits until something happened in one of the calls. False: poll() failed. */
static bool wait_for_any(const struct job *jobs)
{
    struct pollfd fds[JOBS];
    int timeout_ms = -1; /* deadlines make the descriptors readable */
    for (int i = 0; i < JOBS; i++) {
        /* poll() ignores negative descriptors. */
        fds[i].fd = jobs[i].call != NULL ? forkcall_fd(jobs[i].call) : -1;
        fds[i].events = POLLIN;
        fds[i].revents = 0;
        if (jobs[i].call != NULL && fds[i].fd < 0)
            /* The call has no descriptor because there was none left: look again soon. */
            timeout_ms = 50;
    }
    return poll(fds, JOBS, timeout_ms) >= 0 || errno == EINTR;
}

static bool run_all(struct job *jobs)
{
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    int running = JOBS;

    if (terminal)
        draw_bars(jobs, false);
    while (running > 0) {
        if (!wait_for_any(jobs))
            return false;
        for (int i = 0; i < JOBS; i++) {
            if (jobs[i].call == NULL || forkcall_wait(jobs[i].call, 0) == 0)
                continue;
            finish(&jobs[i]);
            running--;
            if (!terminal)
                print_end(&jobs[i]);
        }
        if (terminal)
            draw_bars(jobs, true);
        else
            print_quarters(jobs);
    }
    for (int i = 0; terminal && i < JOBS; i++)
        if (jobs[i].report.status != FORKCALL_OK)
            print_end(&jobs[i]);
    return true;
}

int main(void)
{
    struct job jobs[JOBS] = {
        {.name = "primes below 200000", .limit = 200000, .timeout_ms = 60000, .expected_count = 17984},
        {.name = "primes below 400000", .limit = 400000, .timeout_ms = 60000, .expected_count = 33860},
        {.name = "primes below 800000", .limit = 800000, .timeout_ms = 60000, .expected_count = 63951},
        {.name = "an even prime", .timeout_ms = 1500, .expected = FORKCALL_TIMED_OUT},
    };
    bool as_expected = true;
    bool started = true;

    for (int i = 0; i < JOBS; i++)
        started = start(&jobs[i]) == 0 && started;
    if (!started || !run_all(jobs)) {
        fprintf(stderr, "cannot start the calls, or wait for them\n");
        as_expected = false;
    }
    for (int i = 0; i < JOBS; i++) {
        /* Only after an error: every started call must be finished. */
        if (jobs[i].call != NULL) {
            (void)forkcall_cancel(jobs[i].call);
            finish(&jobs[i]);
        }
        as_expected = as_expected && jobs[i].report.status == jobs[i].expected &&
                      (jobs[i].expected != FORKCALL_OK || jobs[i].count == jobs[i].expected_count);
    }
    return as_expected ? EXIT_SUCCESS : EXIT_FAILURE;
}
