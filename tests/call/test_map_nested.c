/* Tests forkcall_map() in children, inside of other calls, and left in forbidden ways. */
#include "map_methods.h"

#include <setjmp.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct forkcall_map_options fork_options(size_t processes)
{
    return (struct forkcall_map_options){
        .call = {.method = FORKCALL_FORK, .timeout_ms = DEADLINE_S * 1000, .allow_unsafe_fork = under_sanitizer()},
        .processes = processes};
}

static int child_maps(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int items[4] = {*(const int *)args, 2, 3, 4};
    struct forkcall_buf results[4];
    int sum = 0;
    (void)args_size;
    memset(results, 0, sizeof results);
    const struct forkcall_map_options options = fork_options(2);
    const struct forkcall_report report = forkcall_map(child_echoes, items, sizeof *items, 4, results, NULL, &options);
    for (int i = 0; i < 4; i++) {
        sum += report.status == FORKCALL_OK ? *(int *)results[i].data : 0;
        forkcall_buf_free(&results[i]);
    }
    return report.status == FORKCALL_OK ? forkcall_buf_append(result, &sum, sizeof sum)
                                        : forkcall_fail(1, "%s", report.message);
}

static void map_inside_a_map(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    SKIP("the thread sanitizer ends what its children fork");
#endif
    for (size_t m = 0; m < method_count; m++) {
        const int items[4] = {10, 20, 30, 40};
        struct forkcall_buf results[4];
        struct forkcall_map_options options = fork_options(2);
        memset(results, 0, sizeof results);
        options.call.method = methods[m];
        const struct forkcall_report report =
            forkcall_map(child_maps, items, sizeof *items, 4, results, NULL, &options);
        assert_status(report, FORKCALL_OK);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(*(int *)results[i].data, items[i] + 9);
            forkcall_buf_free(&results[i]);
        }
    }
}

struct around {
    bool by_progress; /* from the map's progress callback; false: from item_done */
    int heard;
    struct forkcall_report map;
};

/* Reports progress to the INLINE call around the map, whose callback cancels this call. */
static int tell_the_outer_call(struct around *around)
{
    around->heard++;
    forkcall_progress(1, 2, NULL);
    return 0;
}

static int tell_of_the_end(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    struct around *around = user;
    (void)index;
    (void)report;
    (void)done;
    (void)count;
    return tell_the_outer_call(around);
}

static int tell_of_progress(void *user, size_t index, double done, double total, const char *note)
{
    struct around *around = user;
    (void)index;
    (void)done;
    (void)total;
    (void)note;
    return tell_the_outer_call(around);
}

static int child_reports_once(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    forkcall_progress(1, 1, NULL);
    return 0;
}

static int map_under_INLINE(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct forkcall_map_options options = fork_options(1);
    struct around *around;
    (void)args_size;
    (void)result;
    memcpy(&around, args, sizeof(void *));
    options.item_done = around->by_progress ? NULL : tell_of_the_end;
    options.progress = around->by_progress ? tell_of_progress : NULL;
    options.user = around;
    around->map = forkcall_map(child_reports_once, NULL, 0, 20, NULL, NULL, &options);
    return 0;
}

static int cancel_at_once(void *user, double done, double total, const char *note)
{
    (void)user;
    (void)done;
    (void)total;
    (void)note;
    return 1;
}

static void INLINE_call_around_it_is_canceled(void **state)
{
    (void)state;
    for (int by_progress = 0; by_progress < 2; by_progress++) {
        const struct forkcall_options options = {.method = FORKCALL_INLINE, .progress = cancel_at_once};
        struct around around = {.by_progress = by_progress == 1, .map = {.status = FORKCALL_LOST}};
        void *place = &around;
        const struct traces before = traces_now();
        const struct forkcall_report outer = forkcall_run(map_under_INLINE, &place, sizeof place, NULL, &options);
        assert_status(outer, FORKCALL_CANCELED);
        /* The map has ended regularly and was not left by a jump. */
        assert_status(around.map, FORKCALL_CANCELED);
        /* The map has ended at the first callback. */
        assert_int_equal(around.heard, 1);
        assert_no_traces(before, false);
    }
}

/* ---- A fork in a callback, and a jump out of the function ------------------------------------ */

static pid_t copy = -1;

static int fork_and_return(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    (void)user;
    (void)index;
    (void)report;
    (void)count;
    if (done == 1)
        copy = fork();
    return copy == 0;
}

/* The callback forks. The new process has the map's memory, but none of its children. */
static int host_whose_callback_forks(void *unused)
{
    struct forkcall_map_options options = fork_options(3);
    struct forkcall_report reports[9];
    int status = -1;
    int lost = 0;
    (void)unused;
    options.item_done = fork_and_return;
    const struct forkcall_report report = forkcall_map(child_returns_0, NULL, 0, 9, NULL, reports, &options);
    for (int i = 0; i < 9; i++)
        lost += reports[i].status == FORKCALL_LOST;
    if (copy == 0)
        _exit(report.status == FORKCALL_CANCELED && lost <= 2 ? 0 : 1);
    CHECK(report.status == FORKCALL_OK && lost == 0);
    CHECK(waitpid(copy, &status, 0) == copy && status == 0);
    return 0;
}

static void callback_that_forks_and_returns_twice(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_whose_callback_forks, NULL), 0);
}

static jmp_buf frame_of_the_caller;

static int child_jumps_out(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    longjmp(frame_of_the_caller, 1);
}

static int host_that_is_jumped_into(void *unused)
{
    const struct forkcall_map_options options = fork_options(2);
    (void)unused;
    if (setjmp(frame_of_the_caller) != 0) {
        /* The library ends the child here. */
        forkcall_map(child_returns_0, NULL, 0, 0, NULL, NULL, NULL);
        _exit(0);
    }
    const struct forkcall_report report = forkcall_map(child_jumps_out, NULL, 0, 1, NULL, NULL, &options);
    CHECK(report.status == FORKCALL_SIGNALED && strstr(report.message, "longjmp") != NULL);
    return 0;
}

static void child_that_jumps_out_and_maps(void **state)
{
    (void)state;
    if (under_sanitizer())
        SKIP("the sanitizers see to jumps themselves");
    assert_int_equal(host_run(host_that_is_jumped_into, NULL), 0);
}

int main(void)
{
    find_methods();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_inside_a_map),
        cmocka_unit_test(INLINE_call_around_it_is_canceled),
        cmocka_unit_test(callback_that_forks_and_returns_twice),
        cmocka_unit_test(child_that_jumps_out_and_maps),
    };
    return cmocka_run_group_tests_name("map_nested", tests, NULL, stop_server);
}
