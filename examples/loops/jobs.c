#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned as_expected;

static int adds_up(const void *args, size_t args_size, struct forkcall_buf *result)
{
    long sum = 0;
    (void)args, (void)args_size;
    for (long i = 1; i <= 1000; i++)
        sum += i;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

static int crashes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args, (void)args_size, (void)result;
    abort();
}

static int never_ends(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args, (void)args_size, (void)result;
    for (;;)
        pause();
    return 1;
}

struct job jobs[JOBS] = {
    {.name = "a sum", .fn = adds_up, .expected = FORKCALL_OK},
    {.name = "a crash", .fn = crashes, .expected = FORKCALL_SIGNALED},
    {.name = "a hang", .fn = never_ends, .options = {.timeout_ms = 300}, .expected = FORKCALL_TIMED_OUT},
};

int job_start(struct job *job)
{
    job->result = forkcall_buf_fixed(&job->answer, sizeof job->answer);
    const int r = forkcall_start(&job->call, job->fn, NULL, 0, &job->result, &job->options);
    /* Rare systems have none. There a timer must call forkcall_wait, as in eventloop.c. */
    if (r == 0 && forkcall_fd(job->call) < 0) {
        fputs("there is no descriptor to watch here\n", stderr);
        (void)forkcall_cancel(job->call);
        (void)forkcall_finish(job->call);
        exit(77); /* skipped */
    }
    return r;
}

bool job_has_ended(struct job *job)
{
    if (forkcall_wait(job->call, 0) == 0)
        return false; /* it wants to be called again when its descriptor is readable */
    const struct forkcall_report report = forkcall_finish(job->call);
    if (report.status == FORKCALL_OK)
        printf("%s: %ld\n", job->name, job->answer);
    else
        printf("%s: %s: %s\n", job->name, forkcall_status_name(report.status), report.message);
    as_expected += report.status == job->expected;
    return true;
}

int jobs_exit_status(unsigned ticks)
{
    printf("the loop ticked %s\n", ticks > 0 ? "meanwhile" : "never");
    return as_expected == JOBS && ticks > 0 ? 0 : 1;
}
