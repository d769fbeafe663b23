/* Functions that end their process, or fail, in an orderly way. */
#include "ways.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

LEAF(exit)
{
    sink = n;
    exit(3); // NOLINT(concurrency-mt-unsafe): in a child of its own
}
CALLS(exit)

LEAF(errx)
{
    sink = n;
    errx(4, "no locale");
}
CALLS(errx)

LEAF(underscore_exit)
{
    sink = n;
    _exit(5);
}
CALLS(underscore_exit)

LEAF(pthread_exit)
{
    sink = n;
    pthread_exit(NULL);
}
CALLS(pthread_exit)

LEAF(returns_2)
{
    return n - n + 1;
}
CALLS(returns_2)

LEAF(fails)
{
    return forkcall_fail(7, "no chunk %d", n) - 1;
}
CALLS(fails)

LEAF(throws)
{
    forkcall_throw(8, "no chunk %d", n);
}
CALLS(throws)

static void limit_open_files(struct forkcall_options *options)
{
    options->limits.open_files = 20;
}

LEAF(no_descriptors)
{
    for (int i = 0; i < 100; i++)
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
            forkcall_throw(errno, "open: %s", strerror(errno)); // NOLINT(concurrency-mt-unsafe): one thread
    return n;
}
CALLS(no_descriptors)

static void limit_result(struct forkcall_options *options)
{
    options->max_result = 1000;
}

enum { large_result_line = __LINE__ };
static int call_large_result(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    return forkcall_buf_extend(result, 100000) == NULL ? 0 : 1;
}

const struct way ending_ways[] = {
    WAY(exit, EXITED, "the function called exit(", BEGINS),
    WAY(errx, EXITED, "the function called exit(", BEGINS),
    WAY(underscore_exit, EXITED, "the child ended with exit status 5 before the function", BEGINS),
    WAY(pthread_exit, EXITED, "the function's thread ended by pthread_exit()", 0),
    WAY(returns_2, FAILED, "the function returned 2", 0),
    WAY(fails, FAILED, "no chunk 4", 0),
    WAY(throws, FAILED, "no chunk 4", 0),
    WAY_WITH(no_descriptors, FAILED, "open: ", BEGINS, limit_open_files),
    WAY_WITH(large_result, TOO_BIG, "the result is larger than 1000 bytes", 0, limit_result),
};
const unsigned ending_way_count = COUNT_OF(ending_ways);
