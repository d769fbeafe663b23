/* Tests how threads take turns with libdw: none waits for long, also if the clock of the system is
 * set back meanwhile. */
#include "crash/libdw.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

/* The clock of the system seems an hour ahead. A moment that is computed from it comes as late as
 * if the clock were set back by an hour. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    const int r = __real_clock_gettime(clock, now);
    if (r == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += 3600;
    return r;
}

static atomic_bool is_over;

static bool has_waited(void *unused)
{
    (void)unused;
    return is_over;
}

static void *wait_for_turn(void *unused)
{
    (void)fc_libdw_is_missing();
    is_over = true;
    return unused;
}

static void no_thread_waits_for_long(void **state)
{
    struct fc_libdw_view view;
    pthread_t thread;
    (void)state;
    if (fc_libdw_open(&view, FC_LIBDW_NAME) < 0)
        SKIP("libdw cannot be used here");
    assert_int_equal(pthread_create(&thread, NULL, wait_for_turn, NULL), 0);
    const bool in_time = wait_until(has_waited, NULL);
    fc_libdw_close(&view);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(in_time);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_thread_waits_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
