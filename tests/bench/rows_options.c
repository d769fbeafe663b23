/* Measures what options cost in a call that succeeds and does not use them. */
#include "bench.h"
#include "library_calls.h"

static int ignore_output(void *user, int fd, const char *data, size_t size)
{
    (void)user;
    (void)fd;
    (void)data;
    (void)size;
    return 0;
}

static int ignore_progress(void *user, double done, double total, const char *note)
{
    (void)user;
    (void)done;
    (void)total;
    (void)note;
    return 0;
}

static void run_options_rows(struct bench *bench)
{
    struct forkcall_buf details = FORKCALL_BUF_INIT;
    struct forkcall_options progress = {.method = FORKCALL_FORK, .progress = ignore_progress};
    struct forkcall_options output = {
        .method = FORKCALL_FORK, .standard_output = FORKCALL_STREAM_CAPTURE, .output = ignore_output};
    struct forkcall_options errors = {
        .method = FORKCALL_FORK, .standard_error = FORKCALL_STREAM_CAPTURE, .details = &details};
    struct forkcall_options all = {.method = FORKCALL_FORK,
                                   .progress = ignore_progress,
                                   .standard_output = FORKCALL_STREAM_CAPTURE,
                                   .standard_error = FORKCALL_STREAM_CAPTURE,
                                   .output = ignore_output,
                                   .details = &details};
    struct forkcall_options deadline = {.method = FORKCALL_FORK, .timeout_ms = 60000};
    struct forkcall_options closed = {.method = FORKCALL_FORK, .close_fds = true};
    const struct variant variants[] = {
        {"call without options", library_call, NULL},
        {"call + progress callback", library_call, &progress},
        {"call + standard output captured", library_call, &output},
        {"call + standard error captured", library_call, &errors},
        {"call + progress, output, errors", library_call, &all},
        {"call + deadline", library_call, &deadline},
        {"call + close_fds", library_call, &closed},
    };
    enum { COUNT = sizeof variants / sizeof *variants, CAPTURES_END = 5 };
    const struct effort effort = {.warm_up = 10, .min_rounds = 100, .max_rounds = 3000, .seconds = 5};
    struct summary times[COUNT];
    measure(bench, variants, COUNT, effort, times);
    for (size_t i = 1; i < COUNT; i++)
        print_row(bench, &(struct row){variants[i].name, "forkcall_run without options", &times[0], &times[i],
                                       i < CAPTURES_END ? 1.02 : 0, UNIT_TIME});
    forkcall_buf_free(&details);
}

const struct group options_group = {"options", "what options cost a call that succeeds", run_options_rows, false};
