/* Tests forkcall_map() with items_per_child: time limits, ends by failure and cancel, callbacks,
 * and hosts that lack something, by each method. */
#include "map_workers.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

/* ---- Time ------------------------------------------------------------------------------------ */

static int child_hangs_at_5(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    if (number % 20 == 5)
        return child_hangs(args, args_size, result);
    return forkcall_buf_append(result, &number, sizeof number);
}

static void a_time_limit_is_each_items_own(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct work *work = new_work(methods[m], 60, 1000);
        work->options.call.timeout_ms = 60;
        run_work(work, child_hangs_at_5);
        for (size_t i = 0; i < work->count; i++) {
            if (i % 20 != 5 && work->reports[i].status == FORKCALL_TIMED_OUT)
                continue; /* a very busy machine */
            assert_status(work->reports[i], i % 20 == 5 ? FORKCALL_TIMED_OUT : FORKCALL_OK);
            assert_true(i % 20 == 5 || has_number(work, i));
        }
        assert_ptr_equal(strstr(work->reports[5].message, "no answer within 60 ms"), work->reports[5].message);
        assert_true(work->reports[25].elapsed_ns > 0);
        assert_each_ran_once(work);
        end_work(work);
    }
}

static int child_rests(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct timespec rest = {.tv_nsec = 4000000};
    const int number = note_run(args);
    (void)args_size;
    nanosleep(&rest, NULL);
    return forkcall_buf_append(result, &number, sizeof number);
}

/* How many of so many items, of which half are granted at once, take longer than they may. */
static size_t count_late(enum forkcall_method method, size_t items, int timeout_ms)
{
    struct work *work = new_work(method, items, 1000);
    size_t late = 0;
    work->options.processes = 1;
    work->options.call.timeout_ms = timeout_ms;
    run_work(work, child_rests);
    for (size_t i = 0; i < work->count; i++)
        late += work->reports[i].status != FORKCALL_OK;
    assert_each_ran_once(work);
    end_work(work);
    return late;
}

/* Together the items of a grant take longer than each may. On a busy machine one of them may do so,
 * too, so each has more time at the next try, beside more items. */
static void no_item_pays_for_the_time_of_another(void **state)
{
    (void)state;
    if (under_valgrind())
        SKIP("no item keeps its time limit here");
    for (size_t m = 0; m < method_count; m++) {
        size_t late = 1;
        for (int scale = 1; scale <= 32 && late > 0; scale *= 2)
            late = count_late(methods[m], (size_t)30 * (unsigned)scale, 40 * scale);
        assert_int_equal(late, 0);
    }
}

/* Items 20 and 21 of 40 wait for each other. */
static int child_meets_its_neighbour(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct task *task = args;
    const int number = note_run(args);
    int other = 0;
    (void)args_size;
    while (forkcall_in_child() && (number == 20 || number == 21) && other != 41 - number) {
        const struct timespec rest = {.tv_nsec = 1000000};
        for (off_t at = 0; other != 41 - number && pread(task->fd, &other, sizeof other, at) > 0;)
            at += (off_t)sizeof other;
        nanosleep(&rest, NULL);
    }
    return forkcall_buf_append(result, &number, sizeof number);
}

static void an_item_does_not_wait_behind_a_long_one_for_an_idle_child(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 120, 1000);
        run_work(work, child_meets_its_neighbour);
        assert_status(work->report, FORKCALL_OK);
        assert_each_ran_once(work);
        end_work(work);
    }
}

#define RACERS 300

/* Counts its runs in memory that all children share. Long and short ones come by turns, so that
 * children are idle now and then. */
static int child_races(const void *args, size_t args_size, struct forkcall_buf *result)
{
    unsigned char *const *runs = args;
    const struct timespec rest = {.tv_nsec = 1};
    (void)args_size;
    (void)result;
    ++**runs;
    if ((uintptr_t)*runs % 16 == 0)
        nanosleep(&rest, NULL);
    return 0;
}

static void what_is_taken_back_runs_in_one_child_only(void **state)
{
    (void)state;
    unsigned char *items[RACERS];
    unsigned char *runs = mmap(NULL, RACERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(runs != MAP_FAILED);
    for (size_t i = 0; i < RACERS; i++)
        items[i] = &runs[i];
    const struct forkcall_map_options options = {
        .call = {.method = FORKCALL_FORK, .allow_unsafe_fork = under_sanitizer()},
        .processes = 3,
        .items_per_child = 1000};
    for (int round = 1; round <= 10; round++) {
        const struct forkcall_report report =
            forkcall_map(child_races, items, sizeof *items, RACERS, NULL, NULL, &options);
        assert_status(report, FORKCALL_OK);
        for (size_t i = 0; i < RACERS; i++)
            assert_int_equal(runs[i], round);
    }
    munmap(runs, RACERS);
}

/* ---- Stopping -------------------------------------------------------------------------------- */

static int count_end(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    struct work *work = user;
    (void)index;
    (void)report;
    work->heard += done == work->heard + 1 && count == work->count;
    return 0;
}

static int child_fails_at_40(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    (void)args_size;
    return number == 40 ? forkcall_fail(7, "this one fails") : forkcall_buf_append(result, &number, sizeof number);
}

static void assert_stopped(const struct work *work, const char *why)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct forkcall_report *report = &work->reports[i];
        if (report->status == FORKCALL_OK)
            assert_true(has_number(work, i));
        else if (report->status == FORKCALL_NOT_STARTED)
            assert_true(report->code == ECANCELED && strstr(report->message, why) != NULL);
    }
    assert_each_ran_once(work);
}

static void first_failure_stops_the_rest(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 20000, 1000000);
        work->options.stop_at_failure = true;
        work->options.item_done = count_end;
        run_work(work, child_fails_at_40);
        assert_status(work->report, FORKCALL_FAILED);
        assert_string_equal(work->report.message, "this one fails (item 40)");
        assert_status(work->reports[40], FORKCALL_FAILED);
        assert_status(work->reports[work->count - 1], FORKCALL_NOT_STARTED);
        size_t tried = 0;
        for (size_t i = 0; i < work->count; i++)
            tried += work->reports[i].status != FORKCALL_NOT_STARTED;
        assert_int_equal(work->heard, tried);
        assert_stopped(work, "another item had failed");
        end_work(work);
    }
}

static int child_writes_and_hangs_at_40(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct task *task = args;
    const int number = note_run(args);
    if (number == 40 && write(task->other, "x", 1) == 1)
        return child_hangs(args, args_size, result);
    return forkcall_buf_append(result, &number, sizeof number);
}

static void canceled_by_descriptor_in_the_middle(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        int ends[2];
        if (methods[m] == FORKCALL_INLINE)
            continue;
        assert_int_equal(pipe(ends), 0);
        struct work *work = new_work(methods[m], 200, 1000);
        const int keep[] = {work->fd, ends[1]};
        work->tasks[40].other = ends[1];
        work->options.call.keep_fds = keep;
        work->options.call.keep_fds_count = 2;
        work->options.call.cancel_fd_plus_one = ends[0] + 1;
        run_work(work, child_writes_and_hangs_at_40);
        assert_status(work->report, FORKCALL_CANCELED);
        assert_status(work->reports[40], FORKCALL_CANCELED);
        assert_stopped(work, "canceled by the caller");
        end_work(work);
        close(ends[0]);
        close(ends[1]);
    }
}

/* The last of the items that a child has at once hangs. */
static int child_hangs_after_3(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    if (number == 3)
        return child_hangs(args, args_size, result);
    return number == 2 && ((const struct task *)args)->other >= 0 ? forkcall_fail(7, "this one fails")
                                                                  : forkcall_buf_append(result, &number, sizeof number);
}

static int cancel_at_end_of_1(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    (void)user;
    (void)report;
    (void)done;
    (void)count;
    return index == 1;
}

/* The map would end by the time limit of the item that hangs. */
static void what_has_ended_is_told_while_the_next_item_runs(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++)
        for (int by_failure = 0; by_failure < 2; by_failure++) {
            if (methods[m] == FORKCALL_INLINE)
                continue;
            struct work *work = new_work(methods[m], 8, 1000);
            work->options.processes = 1;
            work->tasks[2].other = by_failure ? 0 : -1;
            work->options.stop_at_failure = by_failure;
            work->options.item_done = by_failure ? NULL : cancel_at_end_of_1;
            run_work(work, child_hangs_after_3);
            assert_status(work->report, by_failure ? FORKCALL_FAILED : FORKCALL_CANCELED);
            assert_status(work->reports[1], FORKCALL_OK);
            assert_true(work->reports[3].status != FORKCALL_TIMED_OUT);
            end_work(work);
        }
}

static int cancel_at_end_of_30(void *user, size_t index, const struct forkcall_report *report, size_t done,
                               size_t count)
{
    struct work *work = user;
    (void)report;
    (void)done;
    (void)count;
    work->heard += index > 0 ? 1 : 0;
    return index == 30;
}

static void canceled_by_a_callback(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct work *work = new_work(methods[m], 20000, 1000000);
        work->options.item_done = cancel_at_end_of_30;
        run_work(work, child_notes_and_answers);
        assert_status(work->report, FORKCALL_CANCELED);
        assert_status(work->reports[30], FORKCALL_OK);
        assert_status(work->reports[work->count - 1], FORKCALL_NOT_STARTED);
        assert_stopped(work, "canceled by the caller");
        end_work(work);
    }
}

/* With a grace a function may answer although the map is canceled; the child begins no more. */
static volatile sig_atomic_t terminated;

static void note_term(int signal)
{
    (void)signal;
    terminated = 1;
}

static int child_answers_at_sigterm(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    (void)args_size;
    signal(SIGTERM, note_term);
    forkcall_progress(1, 1, NULL);
    while (!terminated)
        usleep(1000);
    return forkcall_buf_append(result, &number, sizeof number);
}

static int cancel_at_progress(void *user, size_t index, double done, double total, const char *note)
{
    struct work *work = user;
    (void)done;
    (void)total;
    (void)note;
    work->heard = index + 1;
    return 1;
}

static void an_item_that_answers_in_its_grace_has_answered_and_is_the_last(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct work *work = new_work(methods[m], 10, 1000);
        work->options.processes = 1;
        work->options.call.grace_ms = DEADLINE_S * 1000;
        work->options.progress = cancel_at_progress;
        run_work(work, child_answers_at_sigterm);
        assert_status(work->report, FORKCALL_CANCELED);
        assert_int_equal(work->heard, 1);
        assert_status(work->reports[0], FORKCALL_OK);
        assert_true(has_number(work, 0));
        for (size_t i = 1; i < work->count; i++)
            assert_status(work->reports[i], FORKCALL_NOT_STARTED);
        assert_each_ran_once(work);
        end_work(work);
    }
}

/* Else the next item would have what is left of the grace. */
static void an_item_that_answers_after_its_deadline_is_the_last_of_its_process(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct work *work = new_work(methods[m], 3, 1000);
        work->options.processes = 1;
        work->options.call.timeout_ms = 60;
        work->options.call.grace_ms = DEADLINE_S * 1000;
        run_work(work, child_answers_at_sigterm);
        for (size_t i = 0; i < work->count; i++) {
            /* On a very busy machine the signal may come before it is caught. */
            if (work->reports[i].status != FORKCALL_TIMED_OUT)
                assert_status(work->reports[i], FORKCALL_OK);
            assert_true(i == 0 || work->reports[i].pid != work->reports[i - 1].pid);
        }
        assert_each_ran_once(work);
        end_work(work);
    }
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

struct heard {
    int progress[60], output[60], ended[60];
    bool wrong;
};

static int hear_progress(void *user, size_t index, double done, double total, const char *note)
{
    struct heard *heard = user;
    heard->wrong =
        heard->wrong || done != (double)index || total != 3 || strcmp(note, "note") != 0 || heard->ended[index] != 0;
    heard->progress[index]++;
    return 0;
}

static int hear_output(void *user, size_t index, int fd, const char *data, size_t size)
{
    struct heard *heard = user;
    for (size_t i = 0; i < size; i++)
        heard->wrong = heard->wrong || data[i] != '0' + (char)index;
    heard->wrong = heard->wrong || heard->ended[index] != 0 || fd != STDOUT_FILENO;
    heard->output[index] += (int)size;
    return 0;
}

static int hear_end(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    struct heard *heard = user;
    (void)report;
    (void)done;
    (void)count;
    heard->ended[index]++;
    return 0;
}

/* Writes through stdio, and ends its process at some items. */
static int child_says_who_it_is(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    (void)args_size;
    (void)result;
    forkcall_progress(number, 3, "note");
    printf("%c%c", '0' + number, '0' + number);
    fprintf(stderr, "warning %d", number);
    if (number % 10 == 7)
        forkcall_throw(1, "failure %d", number);
    return number % 2 == 0 ? 0 : forkcall_fail(1, "failure %d", number);
}

static void progress_output_and_details_are_those_of_the_item(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct heard heard = {.wrong = false};
        struct forkcall_buf details[60];
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct work *work = new_work(methods[m], 60, 1000);
        memset(details, 0, sizeof details);
        work->options.user = &heard;
        work->options.progress = hear_progress;
        work->options.output = hear_output;
        work->options.item_done = hear_end;
        work->options.details = details;
        work->options.call.standard_output = FORKCALL_STREAM_CAPTURE;
        work->options.call.standard_error = FORKCALL_STREAM_NULL;
        run_work(work, child_says_who_it_is);
        memset(heard.ended, 0, sizeof heard.ended);
        work->options.call.standard_output = FORKCALL_STREAM_NULL;
        work->options.call.standard_error = FORKCALL_STREAM_CAPTURE;
        work->options.output = NULL;
        run_work(work, child_says_who_it_is);
        assert_false(heard.wrong);
        for (int i = 0; i < 60; i++) {
            char wanted[60];
            snprintf(wanted, sizeof wanted, i % 2 == 0 ? "warning %d" : "failure %d\nwarning %d", i, i);
            assert_int_equal(heard.progress[i], 2);
            assert_int_equal(heard.output[i], 2);
            assert_int_equal(heard.ended[i], 1);
            assert_int_equal(details[i].size, strlen(wanted));
            assert_memory_equal(details[i].data, wanted, strlen(wanted));
            forkcall_buf_free(&details[i]);
        }
        end_work(work);
    }
}

/* Without capture many items end before the host looks. */
static void progress_comes_before_the_end_of_its_item(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        struct heard heard = {.wrong = false};
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct work *work = new_work(methods[m], 60, 1000);
        work->options.user = &heard;
        work->options.progress = hear_progress;
        work->options.item_done = hear_end;
        work->options.call.standard_output = FORKCALL_STREAM_NULL;
        work->options.call.standard_error = FORKCALL_STREAM_NULL;
        run_work(work, child_says_who_it_is);
        assert_false(heard.wrong);
        for (int i = 0; i < 60; i++)
            assert_int_equal(heard.progress[i], 1);
        end_work(work);
    }
}

/* Items 4 and 8 of 10 end their process, and all but item 4 report. */
static int child_reports_and_dies(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = note_run(args);
    (void)args_size;
    if (number % 10 != 4)
        forkcall_progress(number, 100, "item");
    if (number % 10 % 4 == 0 && number % 10 > 0)
        return kill(getpid(), SIGKILL);
    return forkcall_buf_append(result, &number, sizeof number);
}

static void last_progress_is_told_of_its_item_alone(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct work *work = new_work(methods[m], 40, 1000);
        run_work(work, child_reports_and_dies);
        for (size_t i = 0; i < work->count; i++) {
            char wanted[40];
            const char *told = strstr(work->reports[i].message, ", at ");
            snprintf(wanted, sizeof wanted, ", at %zu %%: item", i);
            if (i % 10 == 8)
                assert_string_equal(told == NULL ? work->reports[i].message : told, wanted);
            else
                assert_null(told);
            assert_int_equal(work->reports[i].status, i % 10 == 4 || i % 10 == 8 ? FORKCALL_SIGNALED : FORKCALL_OK);
        }
        assert_each_ran_once(work);
        end_work(work);
    }
}

/* ---- Scarcity -------------------------------------------------------------------------------- */

/* A map in a host that lacks something. The items end well, or say what was missing. */
static int map_scarcely(enum forkcall_method method, int wanted_error)
{
    struct forkcall_report reports[40];
    struct forkcall_buf results[40];
    const struct forkcall_map_options options = {
        .call = {.method = method, .timeout_ms = DEADLINE_S * 1000, .allow_unsafe_fork = under_sanitizer()},
        .processes = 2,
        .items_per_child = 1000};
    memset(results, 0, sizeof results);
    const struct forkcall_report report = forkcall_map(child_answers_42, NULL, 0, 40, results, reports, &options);
    for (int i = 0; i < 40; i++) {
        CHECK(reports[i].status == (wanted_error == 0 ? FORKCALL_OK : FORKCALL_NOT_STARTED));
        CHECK(wanted_error == 0 || (reports[i].code == wanted_error && reports[i].ran == FORKCALL_RAN_NO));
        CHECK(wanted_error != 0 || (results[i].size == sizeof(int) && *(int *)results[i].data == 42));
        forkcall_buf_free(&results[i]);
    }
    CHECK(report.status == reports[0].status);
    return 0;
}

static int with_few_descriptors(void *context)
{
    const enum forkcall_method method = *(enum forkcall_method *)context;
    struct rlimit limit;
    CHECK(map_scarcely(method, 0) == 0); /* starts the server */
    const int next = dup(0);
    CHECK(next >= 0 && close(next) == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = (rlim_t)next + 1;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(map_scarcely(method, EMFILE) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return map_scarcely(method, 0);
}

/* No file, not even in memory, may have the size of what is shared. */
static int with_small_files(void *context)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = 4096;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    return map_scarcely(*(enum forkcall_method *)context, 0);
}

static void without_descriptors_the_items_say_so(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++)
        if (methods[m] == FORKCALL_FORK)
            assert_int_equal(host_run(with_few_descriptors, &methods[m]), 0);
}

static void without_memory_to_share_each_item_has_a_process(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++)
        if (methods[m] == FORKCALL_FORK)
            assert_int_equal(host_run(with_small_files, &methods[m]), 0);
}

/* So little memory that a child which is no fork cannot even share the host's. */
static void a_child_that_cannot_begin_ends_one_item(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        if ((methods[m] != FORKCALL_SERVER && methods[m] != FORKCALL_SPAWN) || under_sanitizer())
            continue;
        struct work *work = new_work(methods[m], 6, 1000);
        work->options.call.limits.address_space_bytes = 1U << 20;
        run_work(work, child_notes_and_answers);
        for (size_t i = 0; i < work->count; i++) {
            assert_status(work->reports[i], FORKCALL_NOT_STARTED);
            assert_int_equal(work->reports[i].code, ENOMEM);
            assert_int_equal(work->reports[i].ran, FORKCALL_RAN_NO);
        }
        assert_each_ran_once(work);
        end_work(work);
    }
}

static void nothing_is_left_in_the_host(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        /* The first map may leave the memory of a heap. */
        for (int i = 0; i < 3; i++) {
            const struct traces before = traces_now();
            struct forkcall_map_options options = {
                .call = {.method = methods[m], .allow_unsafe_fork = under_sanitizer()}, .items_per_child = 3};
            const struct forkcall_report report = forkcall_map(child_answers_42, NULL, 0, 20, NULL, NULL, &options);
            assert_status(report, FORKCALL_OK);
            assert_no_traces(before, i == 2);
        }
    }
}

int main(void)
{
    find_methods();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_limit_is_each_items_own),
        cmocka_unit_test(no_item_pays_for_the_time_of_another),
        cmocka_unit_test(an_item_does_not_wait_behind_a_long_one_for_an_idle_child),
        cmocka_unit_test(what_is_taken_back_runs_in_one_child_only),
        cmocka_unit_test(first_failure_stops_the_rest),
        cmocka_unit_test(what_has_ended_is_told_while_the_next_item_runs),
        cmocka_unit_test(canceled_by_descriptor_in_the_middle),
        cmocka_unit_test(canceled_by_a_callback),
        cmocka_unit_test(an_item_that_answers_in_its_grace_has_answered_and_is_the_last),
        cmocka_unit_test(an_item_that_answers_after_its_deadline_is_the_last_of_its_process),
        cmocka_unit_test(progress_output_and_details_are_those_of_the_item),
        cmocka_unit_test(progress_comes_before_the_end_of_its_item),
        cmocka_unit_test(last_progress_is_told_of_its_item_alone),
        cmocka_unit_test(without_descriptors_the_items_say_so),
        cmocka_unit_test(without_memory_to_share_each_item_has_a_process),
        cmocka_unit_test(a_child_that_cannot_begin_ends_one_item),
        cmocka_unit_test(nothing_is_left_in_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, stop_server);
}
