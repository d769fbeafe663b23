/* Tests the installed library from a program outside of the project, which knows only what
 * pkg-config tells. */
#include <forkcall.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int twice(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int n = *(const int *)args * 2;
    (void)args_size;
    return forkcall_buf_append(result, &n, sizeof n);
}

static int crash(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args, (void)args_size, (void)result;
    abort();
}

int main(void)
{
    const int n = 21;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_report report = forkcall_run(twice, &n, sizeof n, &result, NULL);
    int failures = 0;

    if (forkcall_version() != FORKCALL_VERSION) {
        printf("header and library differ: %d, %d\n", FORKCALL_VERSION, forkcall_version());
        failures++;
    }
    if (report.status != FORKCALL_OK || result.size != sizeof n || *(const int *)result.data != 42) {
        printf("no answer: %s %s\n", forkcall_status_name(report.status), report.message);
        failures++;
    }
    report = run_in_forked_process(crash, NULL, &result);
    if (report.status != FORKCALL_SIGNALED || report.code != SIGABRT || result.size != 0) {
        printf("the crash was told wrongly: %s %s\n", forkcall_status_name(report.status), report.message);
        failures++;
    }
    forkcall_buf_free(&result);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
