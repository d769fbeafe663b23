/* Tests forkcall_map(): order, failures, time limits, progress and output of items, by each
 * method. */
#include "map_job.h"

#include <signal.h>
#include <stdio.h>

/* ---- Order and number ------------------------------------------------------------------------ */

static int child_ends_by_number(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = ((const struct item *)args)->number;
    (void)args_size;
    if (number % 4 == 1)
        return forkcall_fail(number, "number %d", number);
    if (number % 4 == 2 && forkcall_in_child())
        _exit(number);
    if (number % 4 == 3 && forkcall_in_child())
        raise(SIGKILL);
    return forkcall_buf_append(result, &number, sizeof number);
}

static void assert_ended_by_number(const struct job *job, int number)
{
    static const enum forkcall_status wanted[] = {FORKCALL_OK, FORKCALL_FAILED, FORKCALL_EXITED, FORKCALL_SIGNALED};
    const bool inside = job->method == FORKCALL_INLINE && number % 4 > 1;
    const struct forkcall_report *report = &job->reports[number];
    assert_status(*report, inside ? FORKCALL_OK : wanted[number % 4]);
    assert_int_equal(report->method, job->method);
    assert_int_equal(report->ran, FORKCALL_RAN_YES);
    if (report->status == FORKCALL_OK)
        assert_true(job->results[number].size == sizeof(int) && *(int *)job->results[number].data == number);
    else
        assert_int_equal(report->code, number % 4 == 3 ? SIGKILL : number);
}

static void results_and_reports_are_in_item_order(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++)
        for (size_t processes = 0; processes < 5; processes++) {
            struct job *job = new_job(methods[m]);
            job->options.processes = processes;
            job->options.item_done = hear_end;
            run_job(job, child_ends_by_number, MAX);
            for (int i = 0; i < MAX; i++) {
                assert_ended_by_number(job, i);
                assert_int_equal(job->heard[i], job->reports[i].status == FORKCALL_OK ? 1 : 100);
            }
            /* The map's own report is the report of the first item that was not OK. */
            const char *named = strstr(job->report.message, " (item ");
            assert_non_null(named);
            const unsigned long item = strtoul(named + strlen(" (item "), NULL, 10);
            assert_true(item < MAX);
            assert_int_equal(job->report.status, job->reports[item].status);
            assert_int_equal(job->report.code, job->reports[item].code);
            assert_int_equal(job->report.ran, FORKCALL_RAN_YES);
            end_job(job);
        }
}

static void usage_of_all_items_is_summed(void **state)
{
    (void)state;
    struct job *job = new_job(FORKCALL_FORK);
    uint64_t user = 0;
    uint64_t rss = 0;
    run_job(job, child_ends_by_number, 8);
    for (int i = 0; i < 8; i++) {
        user += job->reports[i].user_ns;
        rss = job->reports[i].max_rss_bytes > rss ? job->reports[i].max_rss_bytes : rss;
        assert_true(job->report.elapsed_ns >= job->reports[i].elapsed_ns);
    }
    assert_true(job->report.elapsed_ns < UINT64_C(10000000000) * (unsigned)DEADLINE_S);
    assert_true(job->report.usage_known);
    assert_true(job->report.user_ns == user && job->report.max_rss_bytes == rss && rss > 0);
    end_job(job);
}

/* Fails with a message that fills the report. Its characters are of several lengths, and begin at
 * several offsets. */
static int child_fails_in_full(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static const char *const characters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x99\x82"};
    const int number = ((const struct item *)args)->number;
    char text[300] = "";
    size_t n = (size_t)(number / 3);
    (void)args_size;
    (void)result;
    memset(text, 'x', n);
    for (size_t size = strlen(characters[number % 3]); n + size < sizeof((struct forkcall_report *)0)->message;
         n += size)
        memcpy(text + n, characters[number % 3], size);
    return forkcall_fail(7, "%s", text);
}

static void message_of_an_item_is_cut_at_a_character(void **state)
{
    (void)state;
    for (int number = 0; number < 12; number++) {
        struct job *job = new_job(FORKCALL_FORK);
        job->items[0].number = number;
        run_job(job, child_fails_in_full, 1);
        assert_status(job->report, FORKCALL_FAILED);
        const char *end = strstr(job->report.message, " (item 0)");
        assert_non_null(end);
        assert_string_equal(end, " (item 0)");
        const size_t kept = (size_t)(end - job->report.message);
        const size_t size = (size_t)(number % 3) + 2;
        assert_memory_equal(job->report.message, job->reports[0].message, kept);
        assert_int_equal((kept - (size_t)(number / 3)) % size, 0);
        assert_true(kept + size > sizeof job->report.message - 1 - strlen(" (item 18446744073709551615)"));
        end_job(job);
    }
}

#define REVERSED 4

struct reversal {
    int ends[REVERSED][2];
    size_t order[REVERSED];
    size_t count;
};

static int child_waits_for_a_byte(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct item *item = args;
    char byte;
    (void)args_size;
    return read(item->fd, &byte, 1) == 1 ? forkcall_buf_append(result, &item->number, sizeof item->number) : 1;
}

static int let_the_one_before_go(void *user, size_t index, const struct forkcall_report *report, size_t done,
                                 size_t count)
{
    struct reversal *reversal = user;
    (void)report;
    (void)count;
    reversal->order[done - 1] = index;
    reversal->count = done;
    return index > 0 && write(reversal->ends[index - 1][1], "x", 1) != 1;
}

static void items_that_end_in_reverse(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct job *job = new_job(methods[m]);
        struct reversal reversal = {.count = 0};
        if (methods[m] != FORKCALL_INLINE) {
            for (int i = 0; i < REVERSED; i++) {
                assert_int_equal(pipe(reversal.ends[i]), 0);
                job->items[i].fd = reversal.ends[i][0];
            }
            assert_int_equal(write(reversal.ends[REVERSED - 1][1], "x", 1), 1);
            job->options.processes = REVERSED;
            job->options.item_done = let_the_one_before_go;
            job->options.user = &reversal;
            job->options.call.keep_fds = &reversal.ends[0][0];
            job->options.call.keep_fds_count = sizeof reversal.ends / sizeof(int);
            run_job(job, child_waits_for_a_byte, REVERSED);
            assert_status(job->report, FORKCALL_OK);
            for (int i = 0; i < REVERSED; i++) {
                assert_int_equal(reversal.order[i], REVERSED - 1 - i);
                assert_int_equal(*(int *)job->results[i].data, i);
                close(reversal.ends[i][0]);
                close(reversal.ends[i][1]);
            }
        }
        end_job(job);
    }
}

static int child_fails_when_odd(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct item *item = args;
    (void)args_size;
    (void)result;
    return item->number % 2;
}

static void failures_stop_nothing_unless_asked(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct job *job = new_job(methods[m]);
        run_job(job, child_fails_when_odd, 10);
        assert_status(job->report, FORKCALL_FAILED);
        for (int i = 0; i < 10; i++)
            assert_status(job->reports[i], i % 2 == 1 ? FORKCALL_FAILED : FORKCALL_OK);
        end_job(job);
    }
}

/* ---- Options of the items' calls ------------------------------------------------------------- */

/* If the time limit were the map's, the later items would not be tried. */
static void timeout_is_each_items_own(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct job *job = new_job(methods[m]);
        if (methods[m] != FORKCALL_INLINE) {
            job->options.call.timeout_ms = 60;
            job->options.processes = 2;
            run_job(job, child_hangs, 6);
            assert_status(job->report, FORKCALL_TIMED_OUT);
            assert_non_null(strstr(job->report.message, "no answer within 60 ms"));
            assert_non_null(strstr(job->report.message, " (item "));
            for (int i = 0; i < 6; i++)
                assert_status(job->reports[i], FORKCALL_TIMED_OUT);
        }
        end_job(job);
    }
}

static int child_says_who_it_is(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct item *item = args;
    (void)args_size;
    (void)result;
    forkcall_progress(item->number, 3, "note");
    if (dprintf(STDOUT_FILENO, "%d", item->number) < 0 || dprintf(STDERR_FILENO, "warning %d", item->number) < 0)
        return 1;
    return forkcall_fail(1, "failure %d", item->number);
}

static void progress_output_and_details_by_item(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct job *job = new_job(methods[m]);
        struct forkcall_buf details[8];
        memset(details, 0, sizeof details);
        if (methods[m] != FORKCALL_INLINE) {
            job->options.progress = hear_progress;
            job->options.output = hear_output;
            job->options.details = details;
            job->options.call.standard_output = FORKCALL_STREAM_CAPTURE;
            job->options.call.standard_error = FORKCALL_STREAM_NULL;
            run_job(job, child_says_who_it_is, 8);
            job->options.call.standard_output = FORKCALL_STREAM_NULL;
            /* Captured to the details alone. */
            job->options.call.standard_error = FORKCALL_STREAM_CAPTURE;
            job->options.output = NULL;
            run_job(job, child_says_who_it_is, 8);
            for (int i = 0; i < 8; i++) {
                char wanted[32];
                snprintf(wanted, sizeof wanted, "failure %d\nwarning %d", i, i);
                assert_int_equal(job->progress[i], 2);
                assert_int_equal(job->output[i], 1);
                assert_int_equal(details[i].size, strlen(wanted));
                assert_memory_equal(details[i].data, wanted, strlen(wanted));
                forkcall_buf_free(&details[i]);
            }
        }
        end_job(job);
    }
}

int main(void)
{
    find_methods();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_and_reports_are_in_item_order),    cmocka_unit_test(usage_of_all_items_is_summed),
        cmocka_unit_test(message_of_an_item_is_cut_at_a_character), cmocka_unit_test(items_that_end_in_reverse),
        cmocka_unit_test(failures_stop_nothing_unless_asked),       cmocka_unit_test(timeout_is_each_items_own),
        cmocka_unit_test(progress_output_and_details_by_item),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, stop_server);
}
