/* Tests forkcall_map() with items_per_child: results, and what ends a child, by each method. */
#include "map_workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

/* ---- Results --------------------------------------------------------------------------------- */

static void results_are_in_item_order(void **state)
{
    (void)state;
    static const uint64_t per_child[] = {2, 7, UINT64_MAX};
    for (size_t m = 0; m < method_count; m++)
        for (size_t k = 0; k < 3; k++)
            for (size_t processes = 1; processes <= 3; processes++) {
                struct work *work = new_work(methods[m], per_child[k] < 10 ? 20 : 3000, per_child[k]);
                work->options.processes = processes;
                run_work(work, child_notes_and_answers);
                assert_status(work->report, FORKCALL_OK);
                assert_int_equal(work->report.ran, FORKCALL_RAN_YES);
                for (size_t i = 0; i < work->count; i++) {
                    assert_status(work->reports[i], FORKCALL_OK);
                    assert_int_equal(work->reports[i].ran, FORKCALL_RAN_YES);
                    assert_int_equal(work->reports[i].method, methods[m]);
                    assert_ptr_equal(work->reports[i].fn, child_notes_and_answers);
                    assert_true(has_number(work, i));
                }
                assert_each_ran_once(work);
                end_work(work);
            }
}

static int child_says_its_pid(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const pid_t pid = getpid();
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &pid, sizeof pid);
}

/* How many items, from i on, the same process ran. */
static size_t same_pid(const struct work *work, size_t i)
{
    size_t n = 1;
    while (i + n < work->count && memcmp(work->results[i].data, work->results[i + n].data, sizeof(pid_t)) == 0)
        n++;
    return n;
}

static void a_child_serves_no_more_items_than_it_may(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 20, 4);
        work->options.processes = 1;
        run_work(work, child_says_its_pid);
        assert_status(work->report, FORKCALL_OK);
        for (size_t i = 0; i < work->count && methods[m] != FORKCALL_INLINE; i += 4)
            assert_int_equal(same_pid(work, i), 4);
        end_work(work);
    }
}

static size_t size_of_item(int number)
{
    static const size_t sizes[] = {0, 1, 1000, 1U << 20, 7, 300000, 0, 64};
    return sizes[(unsigned)number % 8];
}

static int child_answers_many_bytes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    const size_t size = size_of_item(number);
    char *bytes = forkcall_buf_extend(result, size);
    (void)args_size;
    if (bytes == NULL)
        return 1;
    memset(bytes, number, size);
    return 0;
}

static void results_of_any_size(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 32, 1000);
        run_work(work, child_answers_many_bytes);
        assert_status(work->report, FORKCALL_OK);
        for (int i = 0; i < 32; i++) {
            const struct forkcall_buf *result = &work->results[i];
            assert_int_equal(result->size, size_of_item(i));
            for (size_t k = 0; k < result->size; k++)
                assert_int_equal(((const unsigned char *)result->data)[k], i);
        }
        end_work(work);
    }
}

/* Items with other limits than their neighbours'. */
static void a_result_is_bounded_by_its_own_buffer_and_by_max_result(void **state)
{
    (void)state;
    static char storage[32][200];
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 32, 1000);
        for (size_t i = 0; i < 32; i += 3) {
            forkcall_buf_free(&work->results[i]);
            work->results[i] = forkcall_buf_fixed(storage[i], i % 2 == 0 ? 200 : 0);
        }
        work->options.call.max_result = 1000;
        run_work(work, child_answers_many_bytes);
        for (size_t i = 0; i < 32; i++) {
            const size_t limit = i % 3 != 0 ? 1000 : i % 2 == 0 ? 200 : 0;
            const bool fits = size_of_item((int)i) <= limit;
            char text[80];
            snprintf(text, sizeof text, "the result is larger than %zu bytes", limit);
            assert_status(work->reports[i], fits ? FORKCALL_OK : FORKCALL_TOO_BIG);
            assert_int_equal(work->results[i].size, fits ? size_of_item((int)i) : 0);
            if (!fits)
                assert_string_equal(work->reports[i].message, text);
        }
        end_work(work);
    }
}

static void results_into_shared_buffers(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 8, 1000);
        for (size_t i = 0; i < 8; i++) {
            forkcall_buf_free(&work->results[i]);
            work->results[i] = forkcall_buf_shared(400000);
        }
        run_work(work, child_answers_many_bytes);
        for (size_t i = 0; i < 8; i++) {
            const size_t size = size_of_item((int)i);
            assert_status(work->reports[i], size <= 400000 ? FORKCALL_OK : FORKCALL_TOO_BIG);
            assert_int_equal(work->results[i].size, size <= 400000 ? size : 0);
            for (size_t k = 0; k < work->results[i].size; k++)
                assert_int_equal(((const unsigned char *)work->results[i].data)[k], i);
        }
        end_work(work);
    }
}

static void results_that_nobody_wants(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 500, 1000);
        work->report = forkcall_map(child_notes_and_answers, work->tasks, sizeof *work->tasks, work->count, NULL, NULL,
                                    &work->options);
        assert_status(work->report, FORKCALL_OK);
        int *runs = count_runs(work);
        for (size_t i = 0; i < work->count; i++)
            assert_int_equal(runs[i], 1);
        free(runs);
        end_work(work);
    }
}

/* ---- Items ----------------------------------------------------------------------------------- */

#define ODD 11

static int child_echoes_if_aligned(const void *args, size_t args_size, struct forkcall_buf *result)
{
    if ((uintptr_t)args % _Alignof(max_align_t) != 0 || args_size != ODD)
        return 1;
    return forkcall_buf_append(result, args, args_size);
}

static void items_are_aligned_for_any_type(void **state)
{
    (void)state;
    static char items[300 * ODD];
    struct forkcall_buf results[300];
    for (size_t i = 0; i < sizeof items; i++)
        items[i] = (char)(i % 251);
    for (size_t m = 0; m < method_count; m++) {
        const struct forkcall_map_options options = {
            .call = {.method = methods[m], .allow_unsafe_fork = under_sanitizer()}, .items_per_child = 1000};
        memset(results, 0, sizeof results);
        const struct forkcall_report report =
            forkcall_map(child_echoes_if_aligned, items, ODD, 300, results, NULL, &options);
        assert_status(report, FORKCALL_OK);
        for (size_t i = 0; i < 300; i++) {
            assert_int_equal(results[i].size, ODD);
            assert_memory_equal(results[i].data, items + i * ODD, ODD);
            forkcall_buf_free(&results[i]);
        }
    }
}

#define LARGE 2000000U

static int child_sums(const void *args, size_t args_size, struct forkcall_buf *result)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < args_size; i++)
        sum += ((const unsigned char *)args)[i];
    return forkcall_buf_append(result, &sum, sizeof sum);
}

static void large_items_travel_one_by_one(void **state)
{
    (void)state;
    unsigned char *items = malloc((size_t)5 * LARGE);
    struct forkcall_buf results[5];
    assert_non_null(items);
    for (size_t i = 0; i < 5; i++)
        memset(items + i * LARGE, (int)i + 1, LARGE);
    for (size_t m = 0; m < method_count; m++) {
        const struct forkcall_map_options options = {
            .call = {.method = methods[m], .allow_unsafe_fork = under_sanitizer()}, .items_per_child = 1000};
        memset(results, 0, sizeof results);
        const struct forkcall_report report = forkcall_map(child_sums, items, LARGE, 5, results, NULL, &options);
        assert_status(report, FORKCALL_OK);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(*(uint64_t *)results[i].data, (i + 1) * (size_t)LARGE);
            forkcall_buf_free(&results[i]);
        }
    }
    free(items);
}

static int child_follows_its_pointer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    return args_size != FORKCALL_BY_POINTER ? 1 : forkcall_buf_append(result, args, sizeof(int));
}

static int child_gets_nothing(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)result;
    return args != NULL || args_size != 0;
}

static void items_by_pointer_and_without_bytes(void **state)
{
    (void)state;
    int numbers[50];
    int *pointers[50];
    struct forkcall_buf results[50];
    memset(results, 0, sizeof results);
    for (int i = 0; i < 50; i++) {
        numbers[i] = 3 * i;
        pointers[i] = &numbers[i];
    }
    struct forkcall_map_options options = {.call = {.method = FORKCALL_FORK, .allow_unsafe_fork = under_sanitizer()},
                                           .items_per_child = 1000};
    const struct forkcall_report report =
        forkcall_map(child_follows_its_pointer, pointers, FORKCALL_BY_POINTER, 50, results, NULL, &options);
    assert_status(report, FORKCALL_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(*(int *)results[i].data, 3 * i);
        forkcall_buf_free(&results[i]);
    }
    for (size_t m = 0; m < method_count; m++) {
        options.call.method = methods[m];
        const struct forkcall_report none = forkcall_map(child_gets_nothing, NULL, 0, 50, NULL, NULL, &options);
        assert_status(none, FORKCALL_OK);
    }
}

/* ---- What ends a child ----------------------------------------------------------------------- */

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

/* Ends in another way at each of some numbers. */
static int child_ends_by_number(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    pthread_t thread;
    (void)args_size;
    switch (forkcall_in_child() ? number % 40 : 0) {
    case 3:
        return forkcall_fail(number, "item %d", number);
    case 4:
        return 4; /* without the message of an item before */
    case 8:
        _exit(8);
    case 13:
        exit(13);
    case 18:
        raise(SIGKILL);
        break;
    case 23:
        forkcall_throw(number, "item %d", number);
    case 28:
        abort();
    case 33:
        /* An item may leave threads behind. */
        return pthread_create(&thread, NULL, wait_for_ever, NULL);
    case 38:
        pthread_exit(NULL);
    default:
        break;
    }
    return forkcall_buf_append(result, &number, sizeof number);
}

static void whatever_ends_a_child_the_other_items_keep_their_results(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct work *work = new_work(methods[m], 120, 1000);
        run_work(work, child_ends_by_number);
        for (size_t i = 0; i < work->count; i++) {
            const struct forkcall_report *report = &work->reports[i];
            enum forkcall_status wanted = FORKCALL_OK;
            int code = 0;
            char text[40];
            snprintf(text, sizeof text, "item %zu", i);
            switch (i % 40) {
            case 3:
            case 23:
                wanted = FORKCALL_FAILED;
                code = (int)i;
                assert_string_equal(report->message, text);
                break;
            case 4:
                wanted = FORKCALL_FAILED;
                code = 4;
                assert_string_equal(report->message, "the function returned 4");
                break;
            case 8:
            case 13:
                wanted = FORKCALL_EXITED;
                code = (int)(i % 40);
                break;
            case 18:
                wanted = FORKCALL_SIGNALED;
                code = SIGKILL;
                break;
            case 28:
                wanted = FORKCALL_SIGNALED;
                code = SIGABRT;
                break;
            case 38:
                wanted = FORKCALL_EXITED;
                break;
            default:
                break;
            }
            assert_status(*report, wanted);
            /* Not every system tells the status of exit(3). */
            assert_true(report->code == code || (i % 40 == 13 && report->code == -1));
            assert_int_equal(report->ran, FORKCALL_RAN_YES);
            assert_ptr_equal(report->fn, child_ends_by_number);
            assert_true(wanted != FORKCALL_OK || i % 40 == 33 || has_number(work, i));
        }
        assert_each_ran_once(work);
        end_work(work);
    }
}

/* Kills the child of each tenth item, at some moment after that has ended. */
static int kill_the_child(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    struct work *work = user;
    (void)done;
    (void)count;
    work->heard++;
    if (index % 10 == 9 && report->status == FORKCALL_OK)
        kill(report->pid, SIGKILL);
    return 0;
}

static void a_child_that_is_killed_between_items_costs_at_most_one(void **state)
{
    (void)state;
    struct work *work = new_work(FORKCALL_FORK, 200, 1000);
    work->options.item_done = kill_the_child;
    run_work(work, child_notes_and_answers);
    for (size_t i = 0; i < work->count; i++)
        if (work->reports[i].status == FORKCALL_OK)
            assert_true(has_number(work, i));
        else
            assert_status(work->reports[i], FORKCALL_SIGNALED);
    assert_int_equal(work->heard, work->count);
    assert_each_ran_once(work);
    end_work(work);
}

static int child_closes_all_at_5(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static bool has_closed;
    const struct timespec rest = {.tv_nsec = 3000000};
    const int number = has_closed ? ((const struct task *)args)->number : note_run(args);
    (void)args_size;
    for (int fd = 3; number % 20 == 5 && forkcall_in_child() && fd < 100; fd++)
        close(fd);
    if (has_closed) /* the host sleeps by now */
        nanosleep(&rest, NULL);
    has_closed = has_closed || (number % 20 == 5 && forkcall_in_child());
    return forkcall_buf_append(result, &number, sizeof number);
}

/* The child cannot wake its host any more, and ends. */
static void a_function_that_closes_all_descriptors_stops_nothing(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct work *work = new_work(methods[m], 60, 1000);
        run_work(work, child_closes_all_at_5);
        for (size_t i = 0; i < work->count; i++)
            assert_true(work->reports[i].status == FORKCALL_OK && has_number(work, i));
        end_work(work);
    }
}

static int child_forks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    (void)args_size;
    if (number % 10 == 5 && forkcall_in_child()) {
        const pid_t pid = fork();
        if (pid == 0)
            return forkcall_buf_append(result, "other", 5);
        if (pid < 0 || waitpid(pid, NULL, 0) != pid)
            return 1;
    }
    return forkcall_buf_append(result, &number, sizeof number);
}

static void a_process_that_the_function_forks_answers_nothing(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 60, 1000);
        run_work(work, child_forks);
        assert_status(work->report, FORKCALL_OK);
        for (size_t i = 0; i < work->count; i++)
            assert_true(has_number(work, i));
        assert_each_ran_once(work);
        end_work(work);
    }
}

/* ---- Nested ---------------------------------------------------------------------------------- */

static int child_maps(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct task *task = args;
    struct task tasks[30];
    struct forkcall_buf results[30];
    const struct forkcall_map_options options = {
        .call = {.method = FORKCALL_FORK, .allow_unsafe_fork = under_sanitizer()},
        .processes = 2,
        .items_per_child = 100};
    int sum = 0;
    (void)args_size;
    memset(results, 0, sizeof results);
    for (int i = 0; i < 30; i++)
        tasks[i] = (struct task){task->number + i, task->fd, -1};
    const struct forkcall_report report = forkcall_map(child_echoes, tasks, sizeof *tasks, 30, results, NULL, &options);
    for (int i = 0; i < 30; i++) {
        sum += results[i].size == sizeof *tasks ? ((const struct task *)results[i].data)->number : -1000000;
        forkcall_buf_free(&results[i]);
    }
    return report.status != FORKCALL_OK ? 1 : forkcall_buf_append(result, &sum, sizeof sum);
}

static void a_map_in_an_item(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 6, 100);
        run_work(work, child_maps);
        assert_status(work->report, FORKCALL_OK);
        for (int i = 0; i < 6; i++)
            assert_int_equal(*(int *)work->results[i].data, 30 * i + 29 * 15);
        end_work(work);
    }
}

int main(void)
{
    find_methods();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_in_item_order),
        cmocka_unit_test(a_child_serves_no_more_items_than_it_may),
        cmocka_unit_test(results_of_any_size),
        cmocka_unit_test(a_result_is_bounded_by_its_own_buffer_and_by_max_result),
        cmocka_unit_test(results_into_shared_buffers),
        cmocka_unit_test(results_that_nobody_wants),
        cmocka_unit_test(items_are_aligned_for_any_type),
        cmocka_unit_test(large_items_travel_one_by_one),
        cmocka_unit_test(items_by_pointer_and_without_bytes),
        cmocka_unit_test(whatever_ends_a_child_the_other_items_keep_their_results),
        cmocka_unit_test(a_child_that_is_killed_between_items_costs_at_most_one),
        cmocka_unit_test(a_function_that_closes_all_descriptors_stops_nothing),
        cmocka_unit_test(a_process_that_the_function_forks_answers_nothing),
        cmocka_unit_test(a_map_in_an_item),
    };
    return cmocka_run_group_tests(tests, NULL, stop_server);
}
