/* Tests forkcall_map() with items_per_child where the host's callbacks take long, or fork the
 * host, by each method. */
#include "map_workers.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

static void rest_ms(long ms)
{
    const struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&rest, NULL);
}

/* Rests, and warns on standard_error at its end. */
static int child_rests_and_warns(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct task *task = args;
    const int number = note_run(args);
    (void)args_size;
    rest_ms(task->other);
    fprintf(stderr, "warning %d", number);
    return forkcall_buf_append(result, &number, sizeof number);
}

/* ---- Callbacks that take long ---------------------------------------------------------------- */

static long callback_ms;

static int take_long(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    (void)user;
    (void)index;
    (void)report;
    (void)done;
    (void)count;
    rest_ms(callback_ms);
    return 0;
}

/* On a busy machine an item may take longer than it may, too: then all that takes time takes twice
 * as long at the next try. each: no item ends at once. Returns how many were late. */
static size_t run_beside_slow_callbacks(struct work *work, int scale, bool each)
{
    size_t late = 0;
    for (size_t i = 0; i < work->count; i++)
        work->tasks[i].other = each || i % 2 == 1 ? 4 * scale : 0;
    callback_ms = 45L * scale;
    work->options.call.timeout_ms = 30 * scale;
    work->options.item_done = take_long;
    run_work(work, child_rests_and_warns);
    for (size_t i = 0; i < work->count; i++)
        late += work->reports[i].status != FORKCALL_OK;
    return late;
}

/* The child works on items that it was granted before, while the host is in its callback. */
static void time_of_a_callback_is_no_items(void **state)
{
    (void)state;
    if (under_valgrind())
        SKIP("no item keeps its time limit here");
    for (size_t m = 0; m < method_count; m++) {
        size_t late = methods[m] != FORKCALL_INLINE;
        for (int scale = 1; scale <= 32 && late > 0; scale *= 2) {
            struct work *work = new_work(methods[m], 20, 1000);
            work->options.processes = 1;
            work->options.call.standard_error = FORKCALL_STREAM_NULL;
            late = run_beside_slow_callbacks(work, scale, true);
            assert_each_ran_once(work);
            end_work(work);
        }
        assert_int_equal(late, 0);
    }
}

static bool has_warning(const struct forkcall_buf *details, size_t i)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "warning %zu", i);
    return details->size == strlen(wanted) && memcmp(details->data, wanted, strlen(wanted)) == 0;
}

/* An item ends while the host is in the callback of another, and its time is over before the host
 * looks. */
static void details_beside_slow_callbacks_are_those_of_the_item(void **state)
{
    (void)state;
    if (under_valgrind())
        SKIP("no item keeps its time limit here");
    for (size_t m = 0; m < method_count; m++) {
        size_t late = methods[m] != FORKCALL_INLINE;
        for (int scale = 1; scale <= 32 && late > 0; scale *= 2) {
            struct forkcall_buf details[8];
            struct work *work = new_work(methods[m], 8, 1000);
            memset(details, 0, sizeof details);
            work->options.details = details;
            work->options.call.standard_error = FORKCALL_STREAM_CAPTURE;
            late = run_beside_slow_callbacks(work, scale, false);
            for (size_t i = 0; i < work->count; i++) {
                assert_true(work->reports[i].status != FORKCALL_OK || has_warning(&details[i], i));
                forkcall_buf_free(&details[i]);
            }
            assert_each_ran_once(work);
            end_work(work);
        }
        assert_int_equal(late, 0);
    }
}

/* ---- Callbacks that fork --------------------------------------------------------------------- */

static pid_t host, forked;

/* Sockets of the fork with something to read in them: they get the numbers of the descriptors that
 * were closed at the fork, and the library must leave them alone. */
#define PAIRS 20
static int pairs[PAIRS][2];

static void open_sockets(void)
{
    for (int i = 0; i < PAIRS; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) < 0 || write(pairs[i][0], "12345678", 8) != 8 ||
            write(pairs[i][1], "12345678", 8) != 8)
            _exit(4);
}

static int fork_once(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    (void)user;
    (void)index;
    (void)report;
    (void)count;
    if (done != 3 || getpid() != host)
        return 0;
    forked = fork();
    if (forked != 0)
        return 0;
    signal(SIGSEGV, SIG_DFL); /* cmocka would go on with the tests in this process */
    open_sockets();
    return 0;
}

static int hear_nothing(void *user, size_t index, double done, double total, const char *note)
{
    (void)user;
    (void)index;
    (void)done;
    (void)total;
    (void)note;
    return 0;
}

/* In the fork: 0, if items that ran at the fork are lost, and no item has another end. */
static int judge_fork(const struct work *work)
{
    char bytes[16];
    size_t lost = 0;
    forkcall_server_stop(); /* of its own */
    for (int i = 0; i < PAIRS * 2; i++)
        if (recv(pairs[i / 2][i % 2], bytes, sizeof bytes, MSG_DONTWAIT) != 8)
            return 3;
    for (size_t i = 0; i < work->count; i++) {
        const enum forkcall_status status = work->reports[i].status;
        lost += status == FORKCALL_LOST;
        if (status != FORKCALL_LOST && status != FORKCALL_OK)
            return 1;
    }
    return lost > 0 && work->report.status == FORKCALL_LOST ? 0 : 2;
}

/* The host's map goes on as if nothing had happened. */
static void a_callback_forks_and_both_processes_go_on(void **state)
{
    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        int status = -1;
        if (methods[m] == FORKCALL_INLINE)
            continue;
        struct work *work = new_work(methods[m], 20, 1000);
        for (size_t i = 0; i < work->count; i++)
            work->tasks[i].other = 4;
        host = getpid();
        work->options.item_done = fork_once;
        work->options.progress = hear_nothing; /* so that replies are read ahead of records */
        work->options.call.standard_error = FORKCALL_STREAM_NULL;
        run_work(work, child_rests_and_warns);
        if (getpid() != host)
            _exit(judge_fork(work));
        assert_true(forked > 0);
        assert_int_equal(waitpid(forked, &status, 0), forked);
        assert_int_equal(status, 0);
        for (size_t i = 0; i < work->count; i++) {
            assert_status(work->reports[i], FORKCALL_OK);
            assert_true(has_number(work, i));
        }
        end_work(work);
    }
}

int main(void)
{
    find_methods();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_of_a_callback_is_no_items),
        cmocka_unit_test(details_beside_slow_callbacks_are_those_of_the_item),
        cmocka_unit_test(a_callback_forks_and_both_processes_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, stop_server);
}
