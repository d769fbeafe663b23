/* What does the caller get when a function answers, fails, exits, crashes or hangs?
 *
 * Each of the five functions below runs in a child. Whatever it does, forkcall_run returns with one
 * definite outcome and this program goes on. Exit status 0: every outcome is the one that the table
 * shows. */
#define _POSIX_C_SOURCE 200809L
#include <forkcall.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int answers(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const long doubled = *(const long *)args * 2;
    (void)args_size;
    return forkcall_buf_append(result, &doubled, sizeof doubled);
}

static int fails(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size, (void)result;
    return forkcall_fail(ERANGE, "%ld is too small", *(const long *)args);
}

static int exits(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args, (void)args_size, (void)result;
    exit(3);
}

static int crashes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const char *text = *(const char *const *)args; /* a number that is taken for an address */
    (void)args_size;
    return forkcall_buf_append(result, text, strlen(text));
}

static int hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args, (void)args_size, (void)result;
    while (pause() == -1) /* pause() returns nothing but -1 */
        continue;
    return 0;
}

static const struct {
    const char *name;
    forkcall_fn *fn;
    int timeout_ms;
    enum forkcall_status expected;
} calls[] = {
    {.name = "answers", .fn = answers, .timeout_ms = 10000, .expected = FORKCALL_OK},
    {.name = "fails", .fn = fails, .timeout_ms = 10000, .expected = FORKCALL_FAILED},
    {.name = "exits", .fn = exits, .timeout_ms = 10000, .expected = FORKCALL_EXITED},
    {.name = "crashes", .fn = crashes, .timeout_ms = 10000, .expected = FORKCALL_SIGNALED},
    {.name = "hangs", .fn = hangs, .timeout_ms = 500, .expected = FORKCALL_TIMED_OUT},
};

int main(void)
{
    const long number = 21;
    int unexpected = 0;

    printf("%-8s  %-9s  %4s  %s\n", "call", "outcome", "code", "what the caller is told");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        long doubled = 0;
        struct forkcall_buf result = forkcall_buf_fixed(&doubled, sizeof doubled);
        const struct forkcall_options options = {.timeout_ms = calls[i].timeout_ms};
        const struct forkcall_report report = forkcall_run(calls[i].fn, &number, sizeof number, &result, &options);

        printf("%-8s  %-9s  %4d  ", calls[i].name, forkcall_status_name(report.status), report.code);
        if (report.status == FORKCALL_OK)
            printf("twice %ld is %ld\n", number, doubled);
        else
            printf("%s\n", report.message);
        unexpected += report.status != calls[i].expected || (report.status == FORKCALL_OK && doubled != 2 * number);
        forkcall_buf_free(&result);
    }
    return unexpected == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
