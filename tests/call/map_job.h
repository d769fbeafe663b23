/* A map in a test: its items, its options, and what its callbacks get. */
#ifndef MAP_JOB_H
#define MAP_JOB_H

#include "map_methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX 40

struct item {
    int number;
    int fd; /* writing end of a pipe; -1: none */
};

/* A map of up to MAX items. Children of every method get the pipe by keep_fds. */
struct job {
    enum forkcall_method method;
    struct item items[MAX];
    struct forkcall_buf results[MAX];
    struct forkcall_report reports[MAX];
    struct forkcall_map_options options;
    struct forkcall_report report;
    int ends[2];
    /* How often each callback was called, by item. */
    int heard[MAX], progress[MAX], output[MAX];
    int total_heard;
    /* When a callback cancels. item_done: after this many items; others: at this item plus one; 0:
     * never. */
    int cancel_at;
    struct traces before;
};

static inline struct job *new_job(enum forkcall_method method)
{
    struct job *job = calloc(1, sizeof *job);
    assert_non_null(job);
    job->method = method;
    job->before = traces_now();
    assert_int_equal(pipe(job->ends), 0);
    for (int i = 0; i < MAX; i++)
        job->items[i] = (struct item){i, job->ends[1]};
    job->options.call.method = method;
    job->options.call.timeout_ms = DEADLINE_S * 1000;
    job->options.call.keep_fds = job->ends;
    job->options.call.keep_fds_count = 2;
    job->options.call.allow_unsafe_fork = under_sanitizer();
    job->options.user = job;
    job->options.processes = 3;
    return job;
}

static inline void run_job(struct job *job, forkcall_fn *fn, size_t count)
{
    /* The map must replace or empty each of these results. */
    for (size_t i = 0; i < count; i++)
        assert_int_equal(forkcall_buf_append(&job->results[i], "old", 3), 0);
    memset(job->reports, 0xa5, sizeof job->reports);
    job->report = forkcall_map(fn, job->items, sizeof *job->items, count, job->results, job->reports, &job->options);
    assert_ptr_equal(job->report.fn, fn);
    for (size_t i = 0; i < count; i++)
        assert_true(job->reports[i].status == FORKCALL_OK || job->results[i].size == 0);
}

static inline void end_job(struct job *job)
{
    for (int i = 0; i < MAX; i++)
        forkcall_buf_free(&job->results[i]);
    close(job->ends[0]);
    close(job->ends[1]);
    assert_no_traces(job->before, false);
    free(job);
}

static inline int hear_end(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    struct job *job = user;
    job->total_heard++;
    job->heard[index] += report->status == FORKCALL_OK ? 1 : 100;
    if (done != (size_t)job->total_heard || count > MAX || report->fn == NULL)
        job->heard[index] = -1000;
    return job->cancel_at == job->total_heard;
}

static inline int hear_progress(void *user, size_t index, double done, double total, const char *note)
{
    struct job *job = user;
    job->progress[index] += done == (double)index && total == 3 && strcmp(note, "note") == 0 ? 1 : 1000;
    return job->cancel_at == (int)index + 1;
}

static inline int hear_output(void *user, size_t index, int fd, const char *data, size_t size)
{
    struct job *job = user;
    job->output[index] += fd == STDOUT_FILENO && size == 1 && data[0] == '0' + (char)index ? 1 : 1000;
    return job->cancel_at == (int)index + 1;
}

#endif
