/* Tests threads that call by FORK at the same time as each other, and while the host forks: the
 * locks of the C library and of this library are taken in one order. The test also runs with
 * preload_old_fork_locks.c, which takes the locks of older versions of glibc. */
#include "outcomes.h"
#include "sanitized.h"

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

/* ---- An allocator with a lock of its own ----------------------------------------------------- */

#if defined(__GLIBC__) && !defined(SANITIZED)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER;
static bool heap_is_locked;

static void lock_heap(void)
{
    if (heap_is_locked)
        pthread_mutex_lock(&heap);
}

static void unlock_heap(void)
{
    if (heap_is_locked)
        pthread_mutex_unlock(&heap);
}

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's names are reserved
void *malloc(size_t size)
{
    lock_heap();
    void *memory = __libc_malloc(size);
    unlock_heap();
    return memory;
}

void *calloc(size_t count, size_t size)
{
    lock_heap();
    void *memory = __libc_calloc(count, size);
    unlock_heap();
    return memory;
}

void *realloc(void *old, size_t size)
{
    lock_heap();
    void *memory = __libc_realloc(old, size);
    unlock_heap();
    return memory;
}

void free(void *old)
{
    lock_heap();
    __libc_free(old);
    unlock_heap();
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)

static void *call_and_fail(void *unused)
{
    const struct forkcall_options options = {.allow_unsafe_fork = true, .timeout_ms = DEADLINE_S * 1000};
    for (int i = 0; i < CALLS; i++)
        good += run_tested(child_fails_7, NULL, 0, NULL, &options).status == FORKCALL_FAILED;
    calling--;
    return unused;
}

/* The handlers before a fork run in the reverse order of their registration, so the lock of the
 * heap is taken before those of the library. */
static int call_beside_a_locked_heap(void *unused)
{
    pthread_t threads[THREADS], beside;
    (void)unused;
    CHECK(run_tested(child_returns_0, NULL, 0, NULL, NULL).status == FORKCALL_OK);
    CHECK(pthread_atfork(lock_heap, unlock_heap, unlock_heap) == 0);
    heap_is_locked = true;
    calling = THREADS;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, call_and_fail, NULL) == 0);
    CHECK(pthread_create(&beside, NULL, fork_beside, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(pthread_join(beside, NULL) == 0);
    CHECK(good == THREADS * CALLS);
    return 0;
}

static void calls_beside_forks_that_lock_the_heap(void **state)
{
    (void)state;
    if (under_valgrind())
        SKIP("the tool has a heap of its own");
#ifdef TEST_PORTABLE
    if (tested_method() == FORKCALL_SPAWN)
        SKIP("the list of descriptors to close is made with memory of the heap");
#endif
    assert_int_equal(host_run(call_beside_a_locked_heap, NULL), 0);
}
#else
static void calls_beside_forks_that_lock_the_heap(void **state)
{
    (void)state;
    SKIP("the heap cannot be wrapped here");
}
#endif

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_beside_each_other),
        cmocka_unit_test(calls_beside_forks_of_the_host),
        cmocka_unit_test(calls_beside_forks_that_lock_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
