/* A map in a test whose children serve many items each. Its function notes each run in a file. */
#ifndef MAP_WORKERS_H
#define MAP_WORKERS_H

#include "map_methods.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct task {
    int number;
    int fd;    /* of the file in which each run is noted */
    int other; /* a descriptor that a test needs besides */
};

struct work {
    size_t count;
    struct task *tasks;
    struct forkcall_buf *results;
    struct forkcall_report *reports;
    struct forkcall_map_options options;
    struct forkcall_report report;
    FILE *file;
    int fd;
    size_t heard;
    struct traces before;
};

static inline struct work *new_work(enum forkcall_method method, size_t count, uint64_t items_per_child)
{
    struct work *work = calloc(1, sizeof *work);
    assert_non_null(work);
    work->before = traces_now();
    work->count = count;
    work->tasks = calloc(count, sizeof *work->tasks);
    work->results = calloc(count, sizeof *work->results);
    work->reports = calloc(count, sizeof *work->reports);
    work->file = tmpfile();
    assert_non_null(work->file);
    work->fd = fileno(work->file);
    assert_int_equal(fcntl(work->fd, F_SETFL, O_APPEND), 0);
    for (size_t i = 0; i < count; i++) {
        work->tasks[i] = (struct task){(int)i, work->fd, -1};
        assert_int_equal(forkcall_buf_append(&work->results[i], "old", 3), 0);
    }
    work->options.call.method = method;
    work->options.call.timeout_ms = DEADLINE_S * 1000;
    work->options.call.keep_fds = &work->fd;
    work->options.call.keep_fds_count = 1;
    work->options.call.allow_unsafe_fork = under_sanitizer();
    work->options.user = work;
    work->options.processes = 2;
    work->options.items_per_child = items_per_child;
    return work;
}

static inline void run_work(struct work *work, forkcall_fn *fn)
{
    work->report =
        forkcall_map(fn, work->tasks, sizeof *work->tasks, work->count, work->results, work->reports, &work->options);
    for (size_t i = 0; i < work->count; i++)
        assert_true(work->reports[i].status == FORKCALL_OK || work->results[i].size == 0);
}

/* How often each item was begun. The caller frees the array. */
static inline int *count_runs(const struct work *work)
{
    int *runs = calloc(work->count + 1, sizeof *runs);
    int number;
    assert_non_null(runs);
    for (off_t at = 0; pread(work->fd, &number, sizeof number, at) == (ssize_t)sizeof number;
         at += (off_t)sizeof number) {
        assert_true(number >= 0 && (size_t)number < work->count);
        runs[number]++;
    }
    return runs;
}

/* Each item ran once, or not at all where its report says so. */
static inline void assert_each_ran_once(const struct work *work)
{
    int *runs = count_runs(work);
    for (size_t i = 0; i < work->count; i++) {
        assert_true(runs[i] <= 1);
        if (work->reports[i].status == FORKCALL_OK || work->reports[i].status == FORKCALL_FAILED)
            assert_int_equal(runs[i], 1);
        if (work->reports[i].ran == FORKCALL_RAN_NO)
            assert_int_equal(runs[i], 0);
    }
    free(runs);
}

static inline void end_work(struct work *work)
{
    for (size_t i = 0; i < work->count; i++)
        forkcall_buf_free(&work->results[i]);
    free(work->tasks);
    free(work->results);
    free(work->reports);
    fclose(work->file);
    assert_no_traces(work->before, false);
    free(work);
}

/* In the function: notes the run. */
static inline int note_run(const void *args)
{
    const struct task *task = args;
    if (write(task->fd, &task->number, sizeof task->number) != (ssize_t)sizeof task->number)
        return -1;
    return task->number;
}

static inline bool has_number(const struct work *work, size_t i)
{
    return work->results[i].size == sizeof(int) && *(const int *)work->results[i].data == (int)i;
}

static inline int child_notes_and_answers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    (void)args_size;
    return forkcall_buf_append(result, &number, sizeof number);
}

#endif
