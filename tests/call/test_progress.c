/* Tests forkcall_progress(): what is delivered, what is dropped, and that it never waits. */
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

struct heard {
    int count, out_of_order;
    double done, total;
    char note[256];
    pid_t process;
    pthread_t thread;
};

static int hear(void *user, double done, double total, const char *note)
{
    struct heard *heard = user;
    heard->out_of_order += heard->count > 0 && done < heard->done;
    heard->count++;
    heard->done = done;
    heard->total = total;
    memcpy(heard->note, note, strlen(note) + 1);
    heard->process = getpid();
    heard->thread = pthread_self();
    return 0;
}

static struct forkcall_report run(forkcall_fn *fn, const void *args, size_t args_size, struct heard *heard)
{
    const struct forkcall_options options = {
        .progress = heard == NULL ? NULL : hear, .user = heard, .timeout_ms = DEADLINE_S * 1000};
    return run_tested(fn, args, args_size, NULL, &options);
}

struct step {
    double done, total;
    size_t note_size; /* SIZE_MAX: the note is NULL */
};

static int child_steps(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct step *step = args;
    char note[1001];
    (void)args_size;
    (void)result;
    memset(note, 'n', sizeof note);
    if (step->note_size != SIZE_MAX)
        note[step->note_size] = '\0';
    forkcall_progress(step->done, step->total, step->note_size == SIZE_MAX ? NULL : note);
    return 0;
}

static void notes_and_numbers(void **state)
{
    (void)state;
    const struct step steps[] = {{1, 2, SIZE_MAX}, {0, 0, 0},       {-5, -2, 1},   {1e300, 1e-300, 254},
                                 {3, 4, 255},      {0.5, 256, 256}, {9, 10, 1000}, {-0.0, 0.0, 10}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct heard heard = {.count = 0};
        const struct forkcall_report report = run(child_steps, &steps[i], sizeof *steps, &heard);
        const size_t size = steps[i].note_size == SIZE_MAX ? 0 : steps[i].note_size;
        assert_status(report, FORKCALL_OK);
        assert_int_equal(heard.count, 1);
        assert_true(heard.done == steps[i].done && heard.total == steps[i].total);
        assert_int_equal(strlen(heard.note), size < 255 ? size : 255); /* A longer note is cut. */
        assert_int_equal(strspn(heard.note, "n"), strlen(heard.note));
        assert_int_equal(heard.process, getpid());
        assert_true(pthread_equal(heard.thread, pthread_self()));
    }
}

static int child_notes_its_args(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    forkcall_progress(1, 2, args);
    return 0;
}

static void note_is_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8d\xb4"};
    /* Each character is tested by the tested method, and by a direct call. */
    for (size_t i = 0; i < 8; i++) {
        const char *const character = characters[i / 2];
        const size_t length = strlen(character);
        for (size_t shift = 0; shift < 4; shift++) {
            struct heard heard = {.count = 0};
            const struct forkcall_options options = {
                .method = i % 2 == 0 ? FORKCALL_AUTO : FORKCALL_INLINE, .progress = hear, .user = &heard};
            char note[400] = "....";
            note[shift] = '\0';
            while (strlen(note) < 300)
                memcpy(note + strlen(note), character, length + 1);
            const struct forkcall_report report = run_tested(child_notes_its_args, note, sizeof note, NULL, &options);
            assert_status(report, FORKCALL_OK);
            assert_int_equal(heard.count, 1);
            assert_int_equal(strlen(heard.note), shift + (255 - shift) / length * length);
            assert_memory_equal(heard.note, note, strlen(heard.note));
        }
    }
}

static void numbers_that_are_not_finite_are_dropped(void **state)
{
    (void)state;
    const struct step steps[] = {{NAN, 1, 0}, {1, NAN, 0}, {INFINITY, 1, 0}, {1, -INFINITY, 0}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct heard heard = {.count = 0};
        const struct forkcall_report report = run(child_steps, &steps[i], sizeof *steps, &heard);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(heard.count, 0);
    }
}

static void progress_that_nobody_wants(void **state)
{
    (void)state;
    const struct step step = {1, 2, 3};
    const struct forkcall_report report = run(child_steps, &step, sizeof step, NULL);
    assert_status(report, FORKCALL_OK);
}

/* Much more than any pipe holds. A report takes three system calls, and an emulated processor 50 us
 * for each. */
#define MANY 40000

static int child_reports_much(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    for (int i = 0; i < MANY; i++)
        forkcall_progress(i, MANY, "a note that takes up some of the channel's room");
    return forkcall_buf_append(result, "done", 4);
}

/* The caller reads nothing before it gets the byte. If forkcall_progress() waited for room, both
 * would wait for ever. */
static int child_reports_much_then_tells(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int fd = *(const int *)args;
    child_reports_much(NULL, args_size, result);
    return write(fd, "x", 1) == 1 ? 0 : 1;
}

static void check_that_progress_does_not_wait(const struct forkcall_limits *limits)
{
    struct heard heard = {.count = 0};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_call *call;
    char byte;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const struct forkcall_options options = {.progress = hear,
                                             .user = &heard,
                                             .timeout_ms = DEADLINE_S * 1000,
                                             .limits = *limits,
                                             .keep_fds = &ends[1],
                                             .keep_fds_count = 1};
    assert_int_equal(start_tested(&call, child_reports_much_then_tells, &ends[1], sizeof *ends, &result, &options), 0);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(heard.count, 0);
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_OK);
    /* Only complete reports were dropped, so the answer is whole. */
    assert_int_equal(result.size, 4);
    assert_true(heard.count > 0 && heard.count < MANY);
    assert_int_equal(heard.out_of_order, 0);
    forkcall_buf_free(&result);
    close(ends[0]);
}

static void progress_never_waits_for_a_reader(void **state)
{
    (void)state;
    const struct forkcall_limits none = {.open_files = 0};
    check_that_progress_does_not_wait(&none);
}

/* Under this limit the kernel refuses poll(2). */
static void progress_never_waits_where_no_descriptor_is_allowed(void **state)
{
    (void)state;
    const struct forkcall_limits limits = {.open_files = FORKCALL_LIMIT_ZERO};
    if (under_valgrind())
        SKIP("valgrind refuses all descriptors that are above the limit");
    check_that_progress_does_not_wait(&limits);
}

static void many_reports_beside_a_result(void **state)
{
    (void)state;
    struct heard heard = {.count = 0};
    const struct forkcall_options options = {.progress = hear, .user = &heard, .timeout_ms = DEADLINE_S * 1000};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = run_tested(child_reports_much, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, 4);
    assert_true(heard.count > 0);
    assert_int_equal(heard.out_of_order, 0);
    forkcall_buf_free(&result);
}

/* Each thread of the function may report, and reports must not mix. */
static void *report_from_a_thread(void *number)
{
    for (int i = 0; i < 300; i++)
        forkcall_progress(1, 1, number);
    return NULL;
}

static int child_reports_from_threads(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static char notes[4][201];
    pthread_t threads[4];
    (void)args;
    (void)args_size;
    for (int i = 0; i < 4; i++) {
        memset(notes[i], 'a' + i, 200);
        if (pthread_create(&threads[i], NULL, report_from_a_thread, notes[i]) != 0)
            return 1;
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return forkcall_buf_append(result, "done", 4);
}

static int hear_whole_notes(void *user, double done, double total, const char *note)
{
    const char same[2] = {note[0], '\0'};
    int *bad = user;
    if (done != 1 || total != 1 || strlen(note) != 200 || strspn(note, same) != 200)
        ++*bad;
    return 0;
}

static void reports_from_several_threads(void **state)
{
    (void)state;
    int bad = 0;
    const struct forkcall_options options = {
        .progress = hear_whole_notes, .user = &bad, .timeout_ms = DEADLINE_S * 1000};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = run_tested(child_reports_from_threads, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, 4);
    assert_int_equal(bad, 0);
    forkcall_buf_free(&result);
}

/* These reports go on while the result is written, which takes many writes. */
static void *report_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        forkcall_progress(1, 1, "beside the result");
    return NULL;
}

static int child_answers_beside_its_threads(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const size_t size = (size_t)4 << 20;
    (void)args;
    (void)args_size;
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, report_for_ever, NULL) != 0)
            return 1;
    }
    void *to = forkcall_buf_extend(result, size);
    if (to == NULL)
        return 2;
    memset(to, 0xa7, size);
    return 0;
}

static int count_reports(void *user, double done, double total, const char *note)
{
    (void)done;
    (void)total;
    *(int *)user += strcmp(note, "beside the result") != 0;
    return 0;
}

static void reports_of_other_threads_beside_a_large_result(void **state)
{
    (void)state;
    int bad = 0;
    const struct forkcall_options options = {
        .progress = count_reports, .user = &bad, .timeout_ms = DEADLINE_S * 1000, .limits = {.file_size_bytes = 4096}};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_report report = run_tested(child_answers_beside_its_threads, NULL, 0, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(bad, 0);
    assert_int_equal(result.size, (size_t)4 << 20);
    for (size_t i = 0; i < result.size; i++)
        assert_int_equal(((unsigned char *)result.data)[i], 0xa7);
    forkcall_buf_free(&result);
}

#define LARGE ((size_t)4 << 20)

enum amid_answer { REPORTS = 1, FAILS, EXITS };
static volatile sig_atomic_t what_comes;
static volatile sig_atomic_t tells_by;

/* A signal handler that runs while the answer is being written. The pipe has no room for the whole
 * answer before the caller gets this byte. */
static void come_amid_answer(int signal)
{
    (void)signal;
    if (write(tells_by, "x", 1) != 1)
        _exit(99);
    if (what_comes == REPORTS)
        forkcall_progress(1, 1, "amid the answer");
    else if (what_comes == FAILS)
        forkcall_fail(7, "amid the answer");
    else
        exit(3); // NOLINT(concurrency-mt-unsafe): what is tested
}

static int child_is_interrupted_amid_its_answer(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    const struct sigaction action = {.sa_handler = come_amid_answer};
    what_comes = ((const int *)args)[0];
    tells_by = ((const int *)args)[1];
    (void)args_size;
    void *to = forkcall_buf_extend(result, LARGE);
    if (to == NULL)
        return 2;
    memset(to, 0xa7, LARGE);
    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &soon, NULL) != 0)
        return 1;
    return 0;
}

static void signal_handler_amid_the_answer_does_not_wait_for_it(void **state)
{
    (void)state;
    for (int what = REPORTS; what <= EXITS; what++) {
        struct heard heard = {.count = 0};
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        struct forkcall_call *call;
        char byte;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        const int args[] = {what, ends[1]};
        const struct forkcall_options options = {.progress = hear,
                                                 .user = &heard,
                                                 .timeout_ms = DEADLINE_S * 1000 / 3,
                                                 .keep_fds = &ends[1],
                                                 .keep_fds_count = 1,
                                                 .limits = {.file_size_bytes = 4096}};
        assert_int_equal(
            start_tested(&call, child_is_interrupted_amid_its_answer, args, sizeof args, &result, &options), 0);
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        const struct forkcall_report report = forkcall_finish(call);
        assert_status(report, what == EXITS ? FORKCALL_EXITED : FORKCALL_OK);
        assert_int_equal(result.size, what == EXITS ? 0 : LARGE);
        forkcall_buf_free(&result);
        close(ends[0]);
    }
}

/* A callback may use the library, except for the same call. */
struct nesting {
    int answers;
    bool wrong;
};

static int call_from_the_callback(void *user, double done, double total, const char *note)
{
    struct nesting *nesting = user;
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    (void)done;
    (void)total;
    (void)note;
    const struct forkcall_report report = run_tested(child_answers_42, NULL, 0, &result, NULL);
    nesting->answers++;
    nesting->wrong |= report.status != FORKCALL_OK || answer != 42;
    return 0;
}

static void call_within_the_callback(void **state)
{
    (void)state;
    const struct step step = {1, 1, 0};
    struct nesting nesting = {0, false};
    const struct forkcall_options options = {.progress = call_from_the_callback, .user = &nesting};
    const struct forkcall_report report = run_tested(child_steps, &step, sizeof step, NULL, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(nesting.answers, 1);
    assert_false(nesting.wrong);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_and_numbers),
        cmocka_unit_test(note_is_cut_between_characters),
        cmocka_unit_test(numbers_that_are_not_finite_are_dropped),
        cmocka_unit_test(progress_that_nobody_wants),
        cmocka_unit_test(progress_never_waits_for_a_reader),
        cmocka_unit_test(progress_never_waits_where_no_descriptor_is_allowed),
        cmocka_unit_test(many_reports_beside_a_result),
        cmocka_unit_test(reports_from_several_threads),
        cmocka_unit_test(reports_of_other_threads_beside_a_large_result),
        cmocka_unit_test(signal_handler_amid_the_answer_does_not_wait_for_it),
        cmocka_unit_test(call_within_the_callback),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
