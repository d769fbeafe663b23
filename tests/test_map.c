/* forkcall_map: order, number at once, stopping, cancelling and arguments, by each method. */
#include "map_methods.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX 40

struct item {
    int number;
    int fd; /* of a pipe; -1: none */
};

/* What a map is given and gives. The pipe is kept by children of every method. */
struct job {
    enum forkcall_method method;
    struct item items[MAX];
    struct forkcall_buf results[MAX];
    struct forkcall_report reports[MAX];
    struct forkcall_map_options options;
    struct forkcall_report report;
    int ends[2];
    /* What was heard, of which item. */
    int heard[MAX], progress[MAX], output[MAX];
    int total_heard;
    int cancel_at; /* item_done: this many items; progress, output: index plus one; 0: never */
    struct traces before;
};

static struct job *new_job(enum forkcall_method method)
{
    struct job *job = calloc(1, sizeof *job);
    assert_non_null(job);
    job->method = method;
    job->before = traces_now();
    assert_int_equal(pipe(job->ends), 0);
    for (int i = 0; i < MAX; i++)
        job->items[i] = (struct item){i, job->ends[1]};
    job->options.call.method = method;
    job->options.call.timeout_ms = DEADLINE_S * 1000;
    job->options.call.keep_fds = job->ends;
    job->options.call.keep_fds_count = 2;
    job->options.call.allow_unsafe_fork = under_sanitizer();
    job->options.user = job;
    job->options.processes = 3;
    return job;
}

static void run_job(struct job *job, forkcall_fn *fn, size_t count)
{
    for (size_t i = 0; i < count; i++) /* each is replaced, or emptied */
        assert_int_equal(forkcall_buf_append(&job->results[i], "old", 3), 0);
    memset(job->reports, 0xa5, sizeof job->reports);
    job->report = forkcall_map(fn, job->items, sizeof *job->items, count, job->results, job->reports, &job->options);
    assert_ptr_equal(job->report.fn, fn);
    for (size_t i = 0; i < count; i++)
        assert_true(job->reports[i].status == FORKCALL_OK || job->results[i].size == 0);
}

static void end_job(struct job *job)
{
    for (int i = 0; i < MAX; i++)
        forkcall_buf_free(&job->results[i]);
    close(job->ends[0]);
    close(job->ends[1]);
    assert_no_traces(job->before, false);
    free(job);
}

static int hear_end(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    struct job *job = user;
    job->total_heard++;
    job->heard[index] += report->status == FORKCALL_OK ? 1 : 100;
    if (done != (size_t)job->total_heard || count > MAX || report->fn == NULL)
        job->heard[index] = -1000;
    return job->cancel_at == job->total_heard;
}

static void assert_not_tried(const struct forkcall_report *report)
{
    assert_status(*report, FORKCALL_NOT_STARTED);
    assert_int_equal(report->code, ECANCELED);
    assert_int_equal(report->ran, FORKCALL_RAN_NO);
    assert_int_equal(report->wait_status, -1);
    assert_string_not_equal(report->message, "");
}

/* ---- Order and number -------------------------------------------------------------------------------------------- */

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
            /* The map's own report is that of the first one that was not OK. */
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
    assert_true(job->report.usage_known);
    assert_true(job->report.user_ns == user && job->report.max_rss_bytes == rss && rss > 0);
    end_job(job);
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

/* ---- Stopping and cancelling --------------------------------------------------------------------------------------- */

/* Item 2 fails; those before it would never end in a child. */
static int child_fails_at_2(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = ((const struct item *)args)->number;
    if (number == 2)
        return forkcall_fail(7, "this one fails");
    return number < 2 && forkcall_in_child() ? child_hangs(args, args_size, result) : 0;
}

static void first_failure_stops_the_rest(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct job *job = new_job(methods[m]);
        job->options.stop_at_failure = true;
        job->options.item_done = hear_end;
        run_job(job, child_fails_at_2, 6);
        assert_status(job->report, FORKCALL_FAILED);
        assert_int_equal(job->report.code, 7);
        assert_string_equal(job->report.message, "this one fails (item 2)");
        for (int i = 0; i < 2; i++)
            assert_status(job->reports[i], methods[m] == FORKCALL_INLINE ? FORKCALL_OK : FORKCALL_CANCELED);
        assert_status(job->reports[2], FORKCALL_FAILED);
        for (int i = 3; i < 6; i++)
            assert_not_tried(&job->reports[i]);
        assert_int_equal(job->total_heard, 3);
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

static int child_answers_its_number(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    return forkcall_buf_append(result, args, sizeof(int));
}

static void canceled_by_item_done_after_each_item(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++)
        for (int at = 1; at <= 7; at++) {
            struct job *job = new_job(methods[m]);
            int ok = 0;
            int tried = 0;
            job->options.item_done = hear_end;
            job->cancel_at = at;
            run_job(job, child_answers_its_number, 7);
            for (int i = 0; i < 7; i++) {
                ok += job->reports[i].status == FORKCALL_OK;
                tried += job->reports[i].status != FORKCALL_NOT_STARTED;
                if (job->reports[i].status == FORKCALL_NOT_STARTED)
                    assert_not_tried(&job->reports[i]);
                else if (job->reports[i].status != FORKCALL_OK)
                    assert_status(job->reports[i], FORKCALL_CANCELED);
            }
            assert_status(job->report, ok == 7 ? FORKCALL_OK : FORKCALL_CANCELED);
            assert_int_equal(job->report.ran, FORKCALL_RAN_YES);
            assert_true(ok >= at);
            assert_true(tried <= at + 2); /* 3 at once: when the last was heard of, no more than 2 others ran */
            assert_int_equal(job->total_heard, at); /* and then of none any more */
            end_job(job);
        }
}

static int child_reports_and_hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct item *item = args;
    forkcall_progress(item->number, 3, "note");
    if (!forkcall_in_child())
        return 0;
    if (dprintf(STDOUT_FILENO, "%d", item->number) < 0)
        return 1;
    return child_hangs(args, args_size, result);
}

static int hear_progress(void *user, size_t index, double done, double total, const char *note)
{
    struct job *job = user;
    job->progress[index] += done == (double)index && total == 3 && strcmp(note, "note") == 0 ? 1 : 1000;
    return job->cancel_at == (int)index + 1;
}

static int hear_output(void *user, size_t index, int fd, const char *data, size_t size)
{
    struct job *job = user;
    job->output[index] += fd == STDOUT_FILENO && size == 1 && data[0] == '0' + (char)index ? 1 : 1000;
    return job->cancel_at == (int)index + 1;
}

static void canceled_by_progress_and_by_output(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++)
        for (int by_output = 0; by_output < (methods[m] == FORKCALL_INLINE ? 1 : 2); by_output++) {
            struct job *job = new_job(methods[m]);
            job->cancel_at = 3;
            job->options.item_done = hear_end;
            job->options.progress = by_output ? NULL : hear_progress;
            job->options.output = by_output ? hear_output : NULL;
            job->options.call.standard_output = by_output ? FORKCALL_STREAM_CAPTURE : FORKCALL_STREAM_NULL;
            run_job(job, child_reports_and_hangs, 8);
            assert_status(job->report, FORKCALL_CANCELED);
            assert_status(job->reports[2], FORKCALL_CANCELED);
            assert_int_equal(by_output ? job->output[2] : job->progress[2], 1);
            assert_int_equal(job->heard[2], 0); /* after that nothing is heard */
            for (int i = 3; i < 8; i++)
                assert_not_tried(&job->reports[i]);
            end_job(job);
        }
}

/* Item 2 asks for the cancel, by the descriptor, when the caller has had time to go to rest. */
static int child_writes_at_2(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct item *item = args;
    if (item->number == 2 && (usleep(20000) != 0 || write(item->fd, "x", 1) != 1))
        return 1;
    return forkcall_in_child() ? child_hangs(args, args_size, result) : 0;
}

static void canceled_by_descriptor_in_the_middle(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct job *job = new_job(methods[m]);
        job->options.call.cancel_fd_plus_one = job->ends[0] + 1;
        run_job(job, child_writes_at_2, 8);
        assert_status(job->report, FORKCALL_CANCELED);
        for (int i = 0; i < 3; i++)
            assert_true(job->reports[i].status == FORKCALL_CANCELED || methods[m] == FORKCALL_INLINE);
        for (int i = 3; i < 8; i++)
            assert_not_tried(&job->reports[i]);
        end_job(job);
    }
}

static void canceled_by_descriptor_before_it_began(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct job *job = new_job(methods[m]);
        struct forkcall_buf details[5];
        memset(details, 0, sizeof details);
        assert_int_equal(forkcall_buf_append(&details[4], "old", 3), 0);
        job->options.details = details;
        job->options.call.cancel_fd_plus_one = job->ends[0] + 1;
        job->options.item_done = hear_end;
        assert_int_equal(write(job->ends[1], "x", 1), 1);
        run_job(job, child_answers_its_number, 5);
        assert_status(job->report, FORKCALL_CANCELED);
        assert_int_equal(job->report.ran, FORKCALL_RAN_NO);
        assert_string_not_equal(job->report.message, "");
        for (int i = 0; i < 5; i++)
            assert_not_tried(&job->reports[i]);
        assert_int_equal(job->total_heard, 0);
        assert_int_equal(details[4].size, 0);
        forkcall_buf_free(&details[4]);
        end_job(job);
    }
}

/* ---- Options of the items' calls ----------------------------------------------------------------------------------- */

/* Were it the map's, the later ones would not be tried. */
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
            assert_non_null(strstr(job->report.message, "no answer within 60 ms (item "));
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
            job->options.call.standard_error = FORKCALL_STREAM_CAPTURE; /* to the details alone */
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
        cmocka_unit_test(results_and_reports_are_in_item_order),
        cmocka_unit_test(usage_of_all_items_is_summed),
        cmocka_unit_test(items_that_end_in_reverse),
        cmocka_unit_test(first_failure_stops_the_rest),
        cmocka_unit_test(failures_stop_nothing_unless_asked),
        cmocka_unit_test(canceled_by_item_done_after_each_item),
        cmocka_unit_test(canceled_by_progress_and_by_output),
        cmocka_unit_test(canceled_by_descriptor_in_the_middle),
        cmocka_unit_test(canceled_by_descriptor_before_it_began),
        cmocka_unit_test(timeout_is_each_items_own),
        cmocka_unit_test(progress_output_and_details_by_item),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
