/* A program for valgrind.sh: its calls' functions crash or answer. Apart from the crashes they do
 * nothing that valgrind reports. */
#include "time_factor.h"

#include <forkcall.h>

#include <signal.h>
#include <stdio.h>

static int stores_at_its_argument(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    **(volatile int *const *)args = 1;
    return 0;
}

static int kills_itself_by_SIGFPE(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    raise(SIGFPE);
    return 0;
}

static int answers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    return forkcall_buf_append(result, args, args_size);
}

/* With an argument the program does nothing. This shows whether valgrind can run it. */
int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return 0;
    int *const nowhere = NULL;
    const struct forkcall_options options = {.method = FORKCALL_FORK, .timeout_ms = 60000};
    for (int i = 0; i < 3; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report crash = forkcall_run(kills_itself_by_SIGFPE, NULL, 0, NULL, &options);
        const struct forkcall_report answer = forkcall_run(answers, &i, sizeof i, &result, &options);
        const struct forkcall_report fault =
            forkcall_run(stores_at_its_argument, &nowhere, sizeof nowhere, NULL, &options);
        forkcall_buf_free(&result);
        if (fault.status != FORKCALL_SIGNALED || fault.crash.signal != SIGSEGV || crash.status != FORKCALL_SIGNALED ||
            crash.crash.signal != SIGFPE || answer.status != FORKCALL_OK) {
            fprintf(stderr, "%s\n%s\n%s\n", fault.message, crash.message, answer.message);
            return 1;
        }
    }
    return 0;
}
