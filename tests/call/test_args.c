/* Tests what reaches the function as its arguments. */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the function has found. */
struct found {
    const void *args;
    size_t size;
    uint64_t sum;
    bool aligned;
};

static uint64_t sum(const void *data, size_t size)
{
    uint64_t n = size;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, (const char *)data + i, 8);
        n = n * 31 + word;
    }
    for (; i < size; i++)
        n = n * 31 + ((const unsigned char *)data)[i];
    return n;
}

static int child_looks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct found found;
    memset(&found, 0, sizeof found);
    found.args = args;
    found.size = args_size;
    found.aligned = (uintptr_t)args % _Alignof(max_align_t) == 0;
    if (args_size != FORKCALL_BY_POINTER)
        found.sum = sum(args, args_size);
    return forkcall_buf_append(result, &found, sizeof found);
}

static struct found look(const void *args, size_t args_size, enum forkcall_method method)
{
    const struct forkcall_options options = {.method = method};
    struct found found;
    struct forkcall_buf result = forkcall_buf_fixed(&found, sizeof found);
    const struct forkcall_report report = run_tested(child_looks, args, args_size, &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(result.size, sizeof found);
    return found;
}

/* AUTO stands for the tested method. */
static const enum forkcall_method methods[] = {FORKCALL_AUTO, FORKCALL_INLINE};

static void args_of_0_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(look(NULL, 0, methods[i]).size, 0);
        assert_int_equal(look("not to be read", 0, methods[i]).size, 0);
    }
}

static void args_at_every_alignment(void **state)
{
    (void)state;
    static _Alignas(max_align_t) unsigned char bytes[70000];
    static const size_t sizes[] = {1, 2, 100, 4096, 32768, 32769, 65537};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 256);
    for (int m = 0; m < 2; m++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            for (size_t offset = 0; offset < _Alignof(max_align_t) + 2; offset++) {
                const struct found found = look(bytes + offset, sizes[s], methods[m]);
                assert_true(found.aligned);
                assert_int_equal(found.size, sizes[s]);
                assert_true(found.sum == sum(bytes + offset, sizes[s]));
            }
        }
    }
}

static void args_by_pointer_are_the_very_pointer(void **state)
{
    (void)state;
    char bytes[3] = "ab";
    if (!method_shares_memory())
        SKIP("a pointer means nothing to a child that is no fork of this process");
    for (int i = 0; i < 2; i++) {
        const struct found found = look(bytes + 1, FORKCALL_BY_POINTER, methods[i]);
        assert_ptr_equal(found.args, bytes + 1);
        assert_true(found.size == FORKCALL_BY_POINTER);
        assert_null(look(NULL, FORKCALL_BY_POINTER, methods[i]).args);
    }
}

/* A list whose nodes lie in different parts of the caller's memory. */
struct node {
    int value;
    const struct node *next;
};

static int child_walks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int total = 0;
    (void)args_size;
    for (const struct node *node = args; node != NULL; node = node->next)
        total += node->value;
    return forkcall_buf_append(result, &total, sizeof total);
}

static void pointers_into_the_caller_stay_valid(void **state)
{
    (void)state;
    const struct node last = {30, NULL};
    const struct node first = {12, &last};
    int total = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&total, sizeof total);
    const struct forkcall_report report = run_in_forked_process(child_walks, &first, &result);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(report.method, FORKCALL_FORK);
    assert_int_equal(total, 42);
}

static int child_changes_its_args(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    *(int *)(uintptr_t)args = 99; /* forbidden, but possible */
    return forkcall_buf_append(result, args, sizeof(int));
}

static void child_that_writes_to_its_args(void **state)
{
    (void)state;
    int number = 1;
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_report report = run_tested(child_changes_its_args, &number, sizeof number, &result, NULL);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(answer, 99);
    assert_int_equal(number, 1);
}

/* The function changes the bytes, and so does a fork of it. Neither process may see the other's
 * change. */
static int child_changes_large_args_and_forks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    unsigned char *bytes = (unsigned char *)(uintptr_t)args;
    (void)result;
    memset(bytes, 'c', args_size);
    const pid_t pid = fork();
    if (pid == 0) {
        const bool has_its_own = bytes[0] == 'c' && bytes[args_size - 1] == 'c';
        memset(bytes, 'f', args_size);
        _exit(has_its_own ? 0 : 1);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return 1;
    return bytes[0] == 'c' && bytes[args_size - 1] == 'c' ? 0 : 2;
}

static void child_that_writes_to_large_args(void **state)
{
    (void)state;
    static unsigned char bytes[100000];
    memset(bytes, 'o', sizeof bytes);
    const struct forkcall_report report =
        run_tested(child_changes_large_args_and_forks, bytes, sizeof bytes, NULL, NULL);
    assert_status(report, FORKCALL_OK);
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_equal(bytes[i], 'o');
}

static void args_changed_right_after_the_start(void **state)
{
    (void)state;
    static _Alignas(max_align_t) unsigned char bytes[100001];
    for (int i = 0; i < 20; i++) {
        const size_t offset = (size_t)i % 2;
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        struct forkcall_call *call;
        memset(bytes, 'o', sizeof bytes);
        assert_int_equal(start_tested(&call, child_echoes, bytes + offset, 100000, &result, NULL), 0);
        memset(bytes, 'n', sizeof bytes);
        const struct forkcall_report report = forkcall_finish(call);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(result.size, 100000);
        for (size_t at = 0; at < result.size; at++)
            assert_int_equal(((char *)result.data)[at], 'o');
        forkcall_buf_free(&result);
    }
}

static bool is_not_0(void *number)
{
    return atomic_load((atomic_int *)number) != 0;
}

/* Waits until it sees the caller's change, makes a change of its own, and returns. */
static int child_meets_its_caller_in_args(const void *args, size_t args_size, struct forkcall_buf *result)
{
    atomic_int *shared = (atomic_int *)(uintptr_t)args;
    (void)result;
    if (args_size != 2 * sizeof *shared || !wait_until(is_not_0, &shared[0]))
        return 1;
    shared[1] = 2;
    return 0;
}

static void args_in_memory_that_processes_share_are_not_copied_by_FORK(void **state)
{
    (void)state;
    struct forkcall_call *call;
    atomic_int *shared = mmap(NULL, 2 * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    const struct forkcall_options options = {.method = FORKCALL_FORK};
    assert_int_equal(forkcall_start(&call, child_meets_its_caller_in_args, shared, 2 * sizeof *shared, NULL, &options),
                     0);
    shared[0] = 1;
    const struct forkcall_report report = forkcall_finish(call);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(shared[1], 2);
    munmap(shared, 2 * sizeof *shared);
}

static int child_tells_cancellation(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int was = -1;
    (void)args;
    (void)args_size;
    (void)result;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &was);
    return was == PTHREAD_CANCEL_DISABLE ? 1 : was == PTHREAD_CANCEL_ENABLE ? 2 : 3;
}

static void cancellation_is_disabled_in_a_fork_alone(void **state)
{
    (void)state;
    const struct forkcall_report report = run_tested(child_tells_cancellation, NULL, 0, NULL, NULL);
    assert_status(report, FORKCALL_FAILED);
    assert_int_equal(report.code, method_shares_memory() ? 1 : 2);
}

/* Arguments that are larger than a pipe holds are passed in a file. With this limit the file cannot
 * hold all of them, so the call fails for a child that is no fork of the caller. */
static int host_with_a_low_limit_of_file_sizes(void *unused)
{
    static unsigned char bytes[100000];
    const struct rlimit limit = {.rlim_cur = sizeof bytes - 1, .rlim_max = sizeof bytes - 1};
    static const size_t sizes[] = {32768, 32769, sizeof bytes - 1, sizeof bytes};
    (void)unused;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(warm_up());
    const struct traces before = traces_now();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct forkcall_buf result = FORKCALL_BUF_INIT;
        const struct forkcall_report report = run_tested(child_echoes, bytes, sizes[i], &result, NULL);
        if (method_shares_memory() || sizes[i] < sizeof bytes) {
            CHECK(report.status == FORKCALL_OK && result.size == sizes[i]);
        } else {
            CHECK(report.status == FORKCALL_NOT_STARTED && report.code == EFBIG && report.ran == FORKCALL_RAN_NO);
            CHECK(strncmp(report.message, "args_size: 100000 bytes", 23) == 0);
            CHECK(strstr(report.message, "RLIMIT_FSIZE") != NULL);
        }
        forkcall_buf_free(&result);
    }
    CHECK(traces_now().descriptors == before.descriptors);
    return 0;
}

static void args_of_more_than_the_limit_of_file_sizes(void **state)
{
    (void)state;
    assert_int_equal(host_run(host_with_a_low_limit_of_file_sizes, NULL), 0);
}

static void args_of_1_GiB(void **state)
{
    (void)state;
    const size_t size = (size_t)1 << 30;
    if (sizeof size < 8 || under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("takes too long, or there is no room for it, here");
    if (!method_shares_memory() && memory_available() < 2UL << 20)
        SKIP("less than 2 GiB of memory are available");
    /* Pages that were never written need no memory, neither here nor in a child that shares
     * them. */
    unsigned char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    bytes[size / 2] = 7;
    bytes[size - 1] = 9;
    const struct found found = look(bytes, size, FORKCALL_AUTO);
    assert_int_equal(found.size, size);
    assert_true(found.sum == sum(bytes, size));
    munmap(bytes, size);
}

/* Unaligned arguments must be copied, and no memory is available for a copy of PTRDIFF_MAX bytes.
 * The call must fail before the function runs. */
static void args_for_which_there_is_no_memory(void **state)
{
    (void)state;
    static _Alignas(max_align_t) char bytes[32];
    if (sizeof(void *) < 8)
        SKIP("half of a small address space may well be had");
    const struct forkcall_report report = run_tested(child_echoes, bytes + 1, PTRDIFF_MAX, NULL, NULL);
    assert_status(report, FORKCALL_NOT_STARTED);
    assert_int_equal(report.code, ENOMEM);
    assert_int_equal(report.ran, FORKCALL_RAN_NO);
}

static void call_leaves_errno_as_it_was(void **state)
{
    (void)state;
    static forkcall_fn *const functions[] = {child_returns_0, child_fails_7, child_kills_itself};
    for (size_t i = 0; i < 6; i++) { /* By SERVER the first call also starts the server. */
        struct forkcall_call *call;
        errno = 4711;
        run_tested(functions[i % 3], NULL, 0, NULL, NULL);
        assert_int_equal(errno, 4711);
        assert_int_equal(start_tested(&call, functions[i % 3], NULL, 0, NULL, NULL), 0);
        assert_int_equal(errno, 4711);
        forkcall_wait(call, -1);
        assert_int_equal(errno, 4711);
        forkcall_finish(call);
        assert_int_equal(errno, 4711);
    }
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(args_of_0_bytes),
        cmocka_unit_test(args_at_every_alignment),
        cmocka_unit_test(args_by_pointer_are_the_very_pointer),
        cmocka_unit_test(pointers_into_the_caller_stay_valid),
        cmocka_unit_test(child_that_writes_to_its_args),
        cmocka_unit_test(child_that_writes_to_large_args),
        cmocka_unit_test(args_changed_right_after_the_start),
        cmocka_unit_test(args_in_memory_that_processes_share_are_not_copied_by_FORK),
        cmocka_unit_test(cancellation_is_disabled_in_a_fork_alone),
        cmocka_unit_test(args_of_more_than_the_limit_of_file_sizes),
        cmocka_unit_test(args_of_1_GiB),
        cmocka_unit_test(args_for_which_there_is_no_memory),
        cmocka_unit_test(call_leaves_errno_as_it_was),
    };
    return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
