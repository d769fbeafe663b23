/* Tests forkcall_map() when a failure stops it, and when callbacks or a descriptor cancel it, by
 * each method. */
#include "map_job.h"

#include <signal.h>
#include <stdio.h>

static void assert_not_tried(const struct forkcall_report *report)
{
    assert_status(*report, FORKCALL_NOT_STARTED);
    assert_int_equal(report->code, ECANCELED);
    assert_int_equal(report->ran, FORKCALL_RAN_NO);
    assert_int_equal(report->wait_status, -1);
    assert_string_not_equal(report->message, "");
}

/* Item 2 fails. The items before it never end in a child. */
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
            /* Three items run at once, so no more than 2 others ran when the last report came. */
            assert_true(tried <= at + 2);
            assert_int_equal(job->total_heard, at); /* After the stop no item is reported. */
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
            assert_int_equal(job->heard[2], 0); /* After the cancel no item is reported. */
            for (int i = 3; i < 8; i++)
                assert_not_tried(&job->reports[i]);
            end_job(job);
        }
}

/* Ends only by SIGKILL, when the grace is over. */
static int child_talks_on_and_on(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    if (forkcall_in_child())
        signal(SIGTERM, SIG_IGN);
    for (;;) {
        forkcall_progress(1, 3, NULL);
        if (write(STDOUT_FILENO, "x", 1) != 1 || usleep(1000) != 0)
            return 1;
    }
}

static int hear_any_progress(void *user, size_t index, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    (void)note;
    ((struct job *)user)->progress[index]++;
    return 1;
}

static int hear_any_output(void *user, size_t index, int fd, const char *data, size_t size)
{
    (void)fd;
    (void)data;
    (void)size;
    ((struct job *)user)->output[index]++;
    return 1;
}

static void nothing_is_heard_after_a_callback_canceled(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++)
        for (int by_output = 0; by_output < (methods[m] == FORKCALL_INLINE ? 1 : 2); by_output++) {
            struct job *job = new_job(methods[m]);
            int heard = 0;
            job->options.item_done = hear_end;
            job->options.progress = by_output ? NULL : hear_any_progress;
            job->options.output = by_output ? hear_any_output : NULL;
            job->options.call.standard_output = by_output ? FORKCALL_STREAM_CAPTURE : FORKCALL_STREAM_NULL;
            job->options.call.grace_ms = 40;
            run_job(job, child_talks_on_and_on, 8);
            assert_status(job->report, FORKCALL_CANCELED);
            for (int i = 0; i < 8; i++)
                heard += by_output ? job->output[i] : job->progress[i];
            assert_int_equal(heard, 1);
            assert_int_equal(job->total_heard, 0);
            end_job(job);
        }
}

static int child_fails_at_0(const void *args, size_t args_size, struct forkcall_buf *result)
{
    return ((const struct item *)args)->number == 0 ? 7 : child_hangs(args, args_size, result);
}

/* The callback of the failed item cancels the map. The failure may stop the map, too. */
static void cancel_after_a_failure(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++)
        for (int stop_at_failure = 0; stop_at_failure < 2; stop_at_failure++) {
            struct job *job = new_job(methods[m]);
            job->options.stop_at_failure = stop_at_failure == 1;
            job->options.item_done = hear_end;
            job->cancel_at = 1;
            run_job(job, child_fails_at_0, 4);
            assert_status(job->reports[0], FORKCALL_FAILED);
            /* The map is CANCELED, because the cancel is the reason why the other items have no
             * answer. */
            assert_status(job->report, FORKCALL_CANCELED);
            assert_not_tried(&job->reports[3]);
            assert_non_null(strstr(job->reports[3].message, "canceled"));
            assert_int_equal(job->total_heard, 1);
            end_job(job);
        }
}

/* All items have ended, so the cancel can keep none from an answer. */
static void cancel_after_the_last_item_failed(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct job *job = new_job(methods[m]);
        job->options.stop_at_failure = true;
        job->options.item_done = hear_end;
        job->cancel_at = 1;
        run_job(job, child_fails_at_0, 1);
        assert_status(job->report, FORKCALL_FAILED);
        assert_int_equal(job->report.code, 7);
        end_job(job);
    }
}

static volatile sig_atomic_t terminated;

static void note_SIGTERM(int signal)
{
    (void)signal;
    terminated = 1;
}

/* Item 2 fails when the others are ready for SIGTERM. One of the others answers then. */
static int child_answers_at_SIGTERM(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct item *item = args;
    char byte;
    (void)args_size;
    if (item->number == 2) {
        for (int i = 0; i < 2; i++)
            if (read(item->fd, &byte, 1) != 1)
                return 99;
        return 7;
    }
    sigset_t blocked, old;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    if (item->number == 1 && signal(SIGTERM, note_SIGTERM) == SIG_ERR)
        return 98;
    if (write(item->fd, "x", 1) != 1)
        return 97;
    while (!terminated)
        sigsuspend(&old);
    return forkcall_buf_append(result, "late", 4);
}

/* The grace of the items' calls also holds for items that a failure stops. */
static void failure_leaves_the_grace_to_those_that_run(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct job *job = new_job(methods[m]);
        job->items[2].fd = job->ends[0];
        job->options.stop_at_failure = true;
        job->options.call.grace_ms = DEADLINE_S * 1000;
        run_job(job, child_answers_at_SIGTERM, 3);
        assert_status(job->reports[0], FORKCALL_CANCELED);
        assert_status(job->reports[1], FORKCALL_OK);
        assert_int_equal(job->results[1].size, 4);
        assert_status(job->reports[2], FORKCALL_FAILED);
        assert_status(job->report, FORKCALL_FAILED);
        assert_int_equal(job->report.code, 7);
        end_job(job);
    }
}

/* Item 2 cancels the map by the descriptor, after a while in which the caller has gone to wait. */
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
    for (size_t m = 0; m < method_count; m++)
        /* First without items that wait for their turn, then with such items. */
        for (size_t count = 3; count <= 8; count += 5) {
            struct job *job = new_job(methods[m]);
            const bool one_by_one = methods[m] == FORKCALL_INLINE;
            job->options.call.cancel_fd_plus_one = job->ends[0] + 1;
            run_job(job, child_writes_at_2, count);
            assert_status(job->report, one_by_one && count == 3 ? FORKCALL_OK : FORKCALL_CANCELED);
            for (size_t i = 0; i < 3; i++)
                assert_status(job->reports[i], one_by_one ? FORKCALL_OK : FORKCALL_CANCELED);
            for (size_t i = 3; i < count; i++)
                assert_not_tried(&job->reports[i]);
            end_job(job);
        }
}

/* The only item that runs cancels the map by descriptor 0, whether each item has a child of its own
 * or not. */
static void canceled_by_descriptor_0(void **state)
{
    const int input = dup(STDIN_FILENO);
    (void)state;
    for (size_t m = 0; m < method_count; m++)
        for (uint64_t per_child = 0; methods[m] != FORKCALL_INLINE && per_child <= 100; per_child += 100) {
            struct job *job = new_job(methods[m]);
            job->items[0].number = 2;
            job->options.items_per_child = per_child;
            job->options.call.cancel_fd_plus_one = STDIN_FILENO + 1;
            assert_int_equal(dup2(job->ends[0], STDIN_FILENO), STDIN_FILENO);
            run_job(job, child_writes_at_2, 1);
            if (input >= 0)
                dup2(input, STDIN_FILENO);
            else
                close(STDIN_FILENO);
            assert_status(job->report, FORKCALL_CANCELED);
            assert_status(job->reports[0], FORKCALL_CANCELED);
            end_job(job);
        }
    close(input);
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

int main(void)
{
    find_methods();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_failure_stops_the_rest),
        cmocka_unit_test(canceled_by_item_done_after_each_item),
        cmocka_unit_test(canceled_by_progress_and_by_output),
        cmocka_unit_test(nothing_is_heard_after_a_callback_canceled),
        cmocka_unit_test(cancel_after_a_failure),
        cmocka_unit_test(cancel_after_the_last_item_failed),
        cmocka_unit_test(failure_leaves_the_grace_to_those_that_run),
        cmocka_unit_test(canceled_by_descriptor_in_the_middle),
        cmocka_unit_test(canceled_by_descriptor_0),
        cmocka_unit_test(canceled_by_descriptor_before_it_began),
    };
    return cmocka_run_group_tests_name("map_stop", tests, NULL, stop_server);
}
