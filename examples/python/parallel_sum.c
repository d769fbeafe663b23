/* The C side of parallel_sum.py: a library that breaks after a fork (GNU's libgomp), called in a
 * process of its own for each call. Build it as a shared library, with -fopenmp -lforkcall. */
#include <forkcall.h>

#include <stdint.h>
#include <stdio.h>

/* Defined for everybody who loads this library by dlopen(3). */
int use_helper(const char *path);
int start_server(void);
int64_t sum_here(int64_t last);
int sum_isolated(int64_t last, int64_t *sum, char *message, size_t message_size);

int64_t sum_here(int64_t last)
{
    int64_t sum = 0;
#pragma omp parallel for num_threads(4) reduction(+ : sum)
    for (int64_t i = 1; i <= last; i++)
        sum += i;
    return sum;
}

static int sum_in_child(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int64_t sum = sum_here(*(const int64_t *)args);
    (void)args_size;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

/* Once, before the first call. path: NULL for the helper that is installed with libforkcall. */
int use_helper(const char *path)
{
    return forkcall_use_helper(path);
}

/* Saves each call the time that this library takes to load: nothing that is loaded with it locks,
 * reads or starts what should not be there before the call. Not needed. */
int start_server(void)
{
    const struct forkcall_server_options options = {.load_early = true};
    return forkcall_server_start(&options);
}

/* Returns 0 with *sum; else a status of libforkcall, with the reason in message. */
int sum_isolated(int64_t last, int64_t *sum, char *message, size_t message_size)
{
    const struct forkcall_options options = {.timeout_ms = 20000, .name = "sum_in_child"};
    struct forkcall_buf result = forkcall_buf_fixed(sum, sizeof *sum);
    const struct forkcall_report report = forkcall_run(sum_in_child, &last, sizeof last, &result, &options);
    snprintf(message, message_size, "%s: %s", forkcall_status_name(report.status), report.message);
    return (int)report.status;
}
