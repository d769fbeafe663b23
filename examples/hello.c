/* How do I run a function in another process and get its result? */
#include <forkcall.h>
#include <stdio.h>

static int twice(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int doubled = *(const int *)args * 2; /* may as well exit, crash, hang or leak */
    (void)args_size;
    return forkcall_buf_append(result, &doubled, sizeof doubled);
}

int main(void)
{
    forkcall_init(); /* first thing in main() */
    int number = 21, answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_options options = {.timeout_ms = 10000};
    struct forkcall_report report = forkcall_run(twice, &number, sizeof number, &result, &options);
    if (report.status == FORKCALL_OK)
        printf("twice %d is %d\n", number, answer);
    else
        fprintf(stderr, "%s\n", report.message); /* one line that says what happened */
    return report.status != FORKCALL_OK;
}
