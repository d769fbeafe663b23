/* What do a typed call, a map with progress, and a call in an event loop look like?
 *
 * README.md shows the heart of each as it stands here. Exit status 0: the answers are right. */
#include <forkcall.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static int right_answers;

/* ---- A typed call ---------------------------------------------------------------------------- */

struct fraction {
    int above, below;
};

static int divide(const struct fraction *fraction, double *quotient)
{
    if (fraction->below == 0)
        return forkcall_fail(EDOM, "%d / 0", fraction->above);
    *quotient = (double)fraction->above / fraction->below;
    return 0;
}
FORKCALL_WRAP_WITH(divide_in_child, divide, struct fraction, double);

static void typed_call(void)
{
    const struct forkcall_options options = {.timeout_ms = 10000};
    const struct fraction fraction = {22, 7};
    double quotient;
    struct forkcall_report report = divide_in_child(&fraction, &quotient, &options);
    if (report.status == FORKCALL_OK)
        right_answers += printf("22 / 7 is %.4f\n", quotient) > 0;
}

/* ---- A map with progress --------------------------------------------------------------------- */

static int square(const void *item, size_t item_size, struct forkcall_buf *result)
{
    const int number = *(const int *)item;
    (void)item_size;
    return forkcall_buf_append(result, &(int){number * number}, sizeof number);
}

static int show(void *user, size_t item, const struct forkcall_report *report, size_t done, size_t count)
{
    (void)user;
    printf("%zu of %zu: item %zu is %s\n", done, count, item, forkcall_status_name(report->status));
    return 0; /* another value cancels the map */
}

static void map_with_progress(void)
{
    const int items[3] = {3, 4, 5};
    struct forkcall_buf results[3] = {FORKCALL_BUF_INIT, FORKCALL_BUF_INIT, FORKCALL_BUF_INIT};
    const struct forkcall_map_options options = {.call.timeout_ms = 10000, .item_done = show};
    struct forkcall_report report = forkcall_map(square, items, sizeof *items, 3, results, NULL, &options);
    if (report.status == FORKCALL_OK)
        right_answers += *(int *)results[2].data == 25;
    for (int i = 0; i < 3; i++)
        forkcall_buf_free(&results[i]);
}

/* ---- In an event loop ------------------------------------------------------------------------ */

static void event_loop(void)
{
    const int number = 6;
    struct forkcall_call *call;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    if (forkcall_start(&call, square, &number, sizeof number, &result, NULL) != 0)
        return;
    struct pollfd fd = {.fd = forkcall_fd(call), .events = POLLIN};
    while (forkcall_wait(call, 0) == 0) /* delivers progress; 0: not done yet */
        poll(&fd, 1, 50);               /* with whatever else the loop waits for */
    struct forkcall_report report = forkcall_finish(call);
    if (report.status == FORKCALL_OK)
        right_answers += *(int *)result.data == 36;
    forkcall_buf_free(&result);
}

int main(void)
{
    forkcall_init();
    typed_call();
    map_with_progress();
    event_loop();
    return right_answers == 3 ? EXIT_SUCCESS : EXIT_FAILURE;
}
