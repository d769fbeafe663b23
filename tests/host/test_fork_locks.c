/* Tests threads that call by FORK at the same time as each other, and while the host forks: the
 * locks of the C library and of this library are taken in one order. The test also runs with
 * preload_old_fork_locks.c, which takes the locks of older versions of glibc. */
#include "outcomes.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define CALLS 40

static atomic_uint good, calling;

static void *call(void *unused)
{
    const struct forkcall_options options = {
        .method = FORKCALL_FORK, .allow_unsafe_fork = true, .timeout_ms = DEADLINE_S * 1000};
    for (int i = 0; i < CALLS; i++)
        good += forkcall_run(child_returns_0, NULL, 0, NULL, &options).status == FORKCALL_OK;
    calling--;
    return unused;
}

/* Forks as a host does. */
static void *fork_beside(void *unused)
{
    while (calling > 0) {
        int status;
        const pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        good += pid < 0 || waitpid(pid, &status, 0) != pid ? 1000000 : 0;
    }
    return unused;
}

/* context: not NULL if the host forks, too. */
static int call_in_threads(void *context)
{
    const bool *forks = context;
    pthread_t threads[THREADS], beside;
    calling = THREADS;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, call, NULL) == 0);
    if (*forks)
        CHECK(pthread_create(&beside, NULL, fork_beside, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    if (*forks)
        CHECK(pthread_join(beside, NULL) == 0);
    CHECK(good == THREADS * CALLS);
    return 0;
}

static bool is_preloaded_if_so_meant(void)
{
    const char *meant = getenv("FORKCALL_TEST_PRELOADED");
    return meant == NULL || dlsym(RTLD_DEFAULT, "old_fork_locks_taken") != NULL;
}

static void calls_beside_each_other(void **state)
{
    bool forks = false;
    (void)state;
    assert_true(is_preloaded_if_so_meant());
    assert_int_equal(host_run(call_in_threads, &forks), 0);
}

static void calls_beside_forks_of_the_host(void **state)
{
    bool forks = true;
    (void)state;
    assert_int_equal(host_run(call_in_threads, &forks), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_beside_each_other),
        cmocka_unit_test(calls_beside_forks_of_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
