/* Tests callbacks that take a long time. After the deadline or a cancel no new callback may begin,
 * whatever a child sends, so callbacks cannot delay the end of the call. */
#include "support.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 50

struct heard {
    int reports, outputs;
    size_t bytes;
    bool cut; /* the output differs from what the child has written */
    bool sleeps;
    struct forkcall_call *call; /* the call to cancel, or NULL */
    int cancel_fd;              /* the descriptor to write to, or 0 */
};

/* In the first callbacks, lets the deadline pass or cancels the call. */
static void begin(const struct heard *heard)
{
    const struct timespec past_the_deadline = {.tv_nsec = 3L * TIMEOUT_MS * 1000000};
    if (heard->sleeps && heard->reports + heard->outputs <= 2)
        nanosleep(&past_the_deadline, NULL);
    if (heard->reports + heard->outputs > 1)
        return;
    if (heard->call != NULL)
        forkcall_cancel(heard->call);
    if (heard->cancel_fd > 0 && write(heard->cancel_fd, "c", 1) != 1)
        abort();
}

static int hear(void *user, double done, double total, const char *note)
{
    struct heard *heard = user;
    (void)done;
    (void)total;
    (void)note;
    heard->reports++;
    begin(heard);
    return 0;
}

static int take(void *user, int stream, const char *data, size_t size)
{
    struct heard *heard = user;
    (void)stream;
    for (size_t i = 0; i < size; i++)
        heard->cut |= data[i] != (char)('a' + (heard->bytes + i) % 26);
    heard->bytes += size;
    heard->outputs++;
    begin(heard);
    return 0;
}

static int reports_for_ever(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    double done = 0;
    while (args == NULL)
        forkcall_progress(done++, 0, "on and on");
    return 0;
}

static int prints_for_ever(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char text[26 * 100];
    (void)args_size;
    (void)result;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    while (args == NULL)
        if (write(STDOUT_FILENO, text, sizeof text) != (ssize_t)sizeof text)
            return 1;
    return 0;
}

static struct forkcall_options options_for(struct heard *heard, bool prints)
{
    return (struct forkcall_options){.progress = prints ? NULL : hear,
                                     .standard_output = prints ? FORKCALL_STREAM_CAPTURE : FORKCALL_STREAM_INHERIT,
                                     .output = prints ? take : NULL,
                                     .user = heard};
}

/* Checks that only the first report was delivered, or only the first piece of output and, in one
 * piece, the output that was in the pipe. */
static void assert_heard_little(const struct heard *heard, bool prints)
{
    assert_int_equal(heard->reports, prints ? 0 : 1);
    assert_in_range(heard->outputs, prints ? 1 : 0, prints ? 2 : 0);
    assert_false(heard->cut);
}

static void no_callback_begins_after_the_deadline(void **state)
{
    (void)state;
    for (int prints = 0; prints < 2; prints++) {
        struct heard heard = {.sleeps = true};
        struct forkcall_options options = options_for(&heard, prints == 1);
        options.timeout_ms = TIMEOUT_MS;
        const struct forkcall_report report =
            run_tested(prints == 1 ? prints_for_ever : reports_for_ever, NULL, 0, NULL, &options);
        if (report.ran == FORKCALL_RAN_NO) /* The deadline came before the function ran. */
            continue;
        assert_status(report, FORKCALL_TIMED_OUT);
        if (heard.reports + heard.outputs > 0)
            assert_heard_little(&heard, prints == 1);
    }
}

static void no_callback_begins_after_the_end_of_the_grace(void **state)
{
    (void)state;
    struct heard heard = {.sleeps = true};
    struct forkcall_options options = options_for(&heard, true);
    options.timeout_ms = TIMEOUT_MS;
    options.grace_ms = 1;
    const struct forkcall_report report = run_tested(prints_for_ever, NULL, 0, NULL, &options);
    assert_status(report, FORKCALL_TIMED_OUT);
    if (heard.outputs > 0)
        assert_in_range(heard.outputs, 1, 3); /* one during the grace */
    assert_false(heard.cut);
}

static void no_callback_begins_after_forkcall_cancel(void **state)
{
    (void)state;
    for (int prints = 0; prints < 2; prints++) {
        struct heard heard = {.sleeps = false};
        const struct forkcall_options options = options_for(&heard, prints == 1);
        assert_int_equal(
            start_tested(&heard.call, prints == 1 ? prints_for_ever : reports_for_ever, NULL, 0, NULL, &options), 0);
        const struct forkcall_report report = forkcall_finish(heard.call);
        assert_status(report, FORKCALL_CANCELED);
        assert_heard_little(&heard, prints == 1);
    }
}

static void no_callback_begins_after_cancel_fd_is_readable(void **state)
{
    (void)state;
    for (int prints = 0; prints < 2; prints++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        struct heard heard = {.cancel_fd = ends[1]};
        struct forkcall_options options = options_for(&heard, prints == 1);
        options.cancel_fd_plus_one = ends[0] + 1;
        const struct forkcall_report report =
            run_tested(prints == 1 ? prints_for_ever : reports_for_ever, NULL, 0, NULL, &options);
        assert_status(report, FORKCALL_CANCELED);
        assert_heard_little(&heard, prints == 1);
        close(ends[0]);
        close(ends[1]);
    }
}

static int prints_and_returns(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char text[26 * 500];
    (void)args;
    (void)args_size;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    if (write(STDOUT_FILENO, text, sizeof text) != (ssize_t)sizeof text)
        return 1;
    return forkcall_buf_append(result, "done", 4);
}

/* A function that answers in time has its output delivered completely, however long the callbacks
 * take. */
static void output_of_a_function_that_has_answered_is_told_whole(void **state)
{
    (void)state;
    struct heard heard = {.sleeps = true};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = options_for(&heard, true);
    const struct forkcall_report report = run_tested(prints_and_returns, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, 4);
    assert_int_equal(heard.bytes, 26 * 500);
    assert_false(heard.cut);
    forkcall_buf_free(&result);
}

int main(void)
{
    forkcall_init();
    warm_up();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_callback_begins_after_the_deadline),
        cmocka_unit_test(no_callback_begins_after_the_end_of_the_grace),
        cmocka_unit_test(no_callback_begins_after_forkcall_cancel),
        cmocka_unit_test(no_callback_begins_after_cancel_fd_is_readable),
        cmocka_unit_test(output_of_a_function_that_has_answered_is_told_whole),
    };
    return cmocka_run_group_tests_name("callbacks", tests, NULL, NULL);
}
