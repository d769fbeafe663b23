/* Tests resource limits of the child, and what the report tells of its usage. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define NOBODY 65534

static struct forkcall_report run(forkcall_fn *fn, const struct forkcall_limits *limits, struct forkcall_buf *result)
{
    const struct forkcall_options options = {.limits = *limits, .timeout_ms = DEADLINE_S * 1000};
    return run_tested(fn, NULL, 0, result, &options);
}

/* ---- What the child sees --------------------------------------------------------------------- */

#ifdef __GLIBC__
typedef __rlimit_resource_t resource_t; /* an enum in glibc */
#else
typedef int resource_t;
#endif

static const resource_t resources[] = {RLIMIT_AS, RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NPROC};
#define RESOURCES (sizeof resources / sizeof *resources)

static int child_looks_at_its_limits(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct rlimit limits[RESOURCES];
    (void)args;
    (void)args_size;
    for (size_t i = 0; i < RESOURCES; i++)
        if (getrlimit(resources[i], &limits[i]) < 0)
            return errno;
    return forkcall_buf_append(result, limits, sizeof limits);
}

static void limits_reach_the_child_and_not_the_caller(void **state)
{
    (void)state;
    if (under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("RLIMIT_AS does not work here");
    const struct forkcall_limits limits = {.address_space_bytes = 2048 * MIB - 4096,
                                           .cpu_seconds = 71,
                                           .open_files = 72,
                                           .file_size_bytes = 73,
                                           .core_bytes = 0,
                                           .processes = 75};
    const rlim_t wanted[RESOURCES] = {2048 * MIB - 4096, 71, 72, 73, 0, 75};
    struct rlimit before[RESOURCES];
    struct rlimit seen[RESOURCES];
    struct forkcall_buf result = forkcall_buf_fixed(seen, sizeof seen);
    for (size_t i = 0; i < RESOURCES; i++)
        assert_int_equal(getrlimit(resources[i], &before[i]), 0);
    const struct forkcall_report report = run(child_looks_at_its_limits, &limits, &result);
    assert_status(report, FORKCALL_OK);
    for (size_t i = 0; i < RESOURCES; i++) {
        struct rlimit after;
        if (resources[i] == RLIMIT_CORE) { /* 0: the caller's limit stays */
            assert_true(seen[i].rlim_cur == before[i].rlim_cur && seen[i].rlim_max == before[i].rlim_max);
        } else {
            assert_true(seen[i].rlim_cur == wanted[i]);
            assert_true(seen[i].rlim_max == wanted[i] + (resources[i] == RLIMIT_CPU ? 1 : 0));
        }
        assert_int_equal(getrlimit(resources[i], &after), 0);
        assert_true(after.rlim_cur == before[i].rlim_cur && after.rlim_max == before[i].rlim_max);
    }
}

static void limit_of_zero(void **state)
{
    (void)state;
    const struct forkcall_limits limits = {.open_files = FORKCALL_LIMIT_ZERO,
                                           .file_size_bytes = FORKCALL_LIMIT_ZERO,
                                           .core_bytes = FORKCALL_LIMIT_ZERO,
                                           .processes = FORKCALL_LIMIT_ZERO};
    struct rlimit seen[RESOURCES];
    struct forkcall_buf result = forkcall_buf_fixed(seen, sizeof seen);
    const struct forkcall_report report = run(child_looks_at_its_limits, &limits, &result);
    assert_status(report, FORKCALL_OK);
    for (size_t i = 2; i < RESOURCES; i++)
        assert_true(seen[i].rlim_cur == 0 && seen[i].rlim_max == 0);
}

/* ---- What each limit does -------------------------------------------------------------------- */

static int child_wants_much_memory(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    if (forkcall_buf_append(result, "x", 1) != 0)
        return 1;
    /* The function succeeds and does not mention that the memory was not available. */
    return forkcall_buf_extend(result, 2048 * MIB - 1) == NULL ? 0 : 1;
}

static void address_space_that_is_used_up(void **state)
{
    (void)state;
    if (under_sanitizer() || under_valgrind() || under_emulator())
        SKIP("RLIMIT_AS does not work here");
    const struct forkcall_limits limits = {.address_space_bytes = 512 * MIB};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_report report = run(child_wants_much_memory, &limits, &result);
    assert_status(report, FORKCALL_FAILED);
    assert_int_equal(report.code, ENOMEM);
    assert_int_equal(result.size, 0);
    report = run(child_answers_42, &limits, &result);
    assert_status(report, FORKCALL_OK);
    forkcall_buf_free(&result);
}

static void spin(void)
{
    for (volatile unsigned i = 0;; i++)
        continue;
}

static int child_spins(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    spin();
    return 0;
}

static int child_spins_and_ignores_SIGXCPU(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    signal(SIGXCPU, SIG_IGN);
    spin();
    return 0;
}

static void processor_time_that_is_used_up(void **state)
{
    (void)state;
    if (under_valgrind() || under_emulator())
        SKIP("processor time is not the child's alone here");
    const struct forkcall_limits limits = {.cpu_seconds = 1};
    struct forkcall_report report = run(child_spins, &limits, NULL);
    assert_status(report, FORKCALL_SIGNALED);
    assert_int_equal(report.code, SIGXCPU);
    assert_non_null(strstr(report.message, "limits.cpu_seconds"));
    report = run(child_spins_and_ignores_SIGXCPU, &limits, NULL);
    assert_status(report, FORKCALL_SIGNALED);
    assert_int_equal(report.code, SIGKILL);
    /* Without the usage, this SIGKILL cannot be told from any other. */
    if (report.usage_known)
        assert_non_null(strstr(report.message, "limits.cpu_seconds"));
#ifdef TEST_PORTABLE
    assert_true(report.usage_known || tested_method() == FORKCALL_SERVER);
#else
    assert_true(report.usage_known);
#endif
}

static void SIGKILL_that_was_not_the_limit(void **state)
{
    (void)state;
    const struct forkcall_limits limits = {.cpu_seconds = 1, .file_size_bytes = 1};
    const struct forkcall_report report = run(child_kills_itself, &limits, NULL);
    assert_status(report, FORKCALL_SIGNALED);
    assert_int_equal(report.code, SIGKILL);
    assert_null(strstr(report.message, "limits"));
}

static int child_writes_a_file(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static const char bytes[10000];
    FILE *file = tmpfile();
    (void)args;
    (void)args_size;
    if (file == NULL)
        return 1;
    const ssize_t n = write(fileno(file), bytes, 5000);
    if (n < 0)
        return errno;
    if (n == 5000)
        return forkcall_buf_append(result, "all", 3);
    /* The write before was cut at the limit. This one raises SIGXFSZ. */
    return write(fileno(file), bytes, 1) < 0 ? errno : 2;
}

static int child_writes_a_file_and_ignores_SIGXFSZ(const void *args, size_t args_size, struct forkcall_buf *result)
{
    signal(SIGXFSZ, SIG_IGN);
    return child_writes_a_file(args, args_size, result);
}

static void file_that_is_too_large(void **state)
{
    (void)state;
    const struct forkcall_limits enough = {.file_size_bytes = 5000};
    const struct forkcall_limits limits = {.file_size_bytes = 4999};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    struct forkcall_report report = run(child_writes_a_file, &enough, &result);
    assert_status(report, FORKCALL_OK);
    report = run(child_writes_a_file, &limits, &result);
    assert_status(report, FORKCALL_SIGNALED);
    assert_int_equal(report.code, SIGXFSZ);
    assert_non_null(strstr(report.message, "limits.file_size_bytes"));
    report = run(child_writes_a_file_and_ignores_SIGXFSZ, &limits, &result);
    assert_status(report, FORKCALL_FAILED);
    assert_int_equal(report.code, EFBIG);
    forkcall_buf_free(&result);
}

static int child_raises_SIGXFSZ(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    raise(SIGXFSZ);
    return 0;
}

static void signal_of_a_limit_that_was_not_set(void **state)
{
    (void)state;
    const struct forkcall_limits limits = {.cpu_seconds = 100};
    const struct forkcall_report report = run(child_raises_SIGXFSZ, &limits, NULL);
    assert_status(report, FORKCALL_SIGNALED);
    assert_int_equal(report.code, SIGXFSZ);
    assert_null(strstr(report.message, "limits"));
}

static int child_opens_files(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int count = 0;
    (void)args;
    (void)args_size;
    while (count < 10000 && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        count++;
    const int error = errno;
    forkcall_buf_append(result, &count, sizeof count);
    return count < 10000 && error == EMFILE ? 0 : 1;
}

static void descriptors_that_are_used_up(void **state)
{
    (void)state;
    const struct forkcall_limits limits = {.open_files = 60};
    int count = -1;
    struct forkcall_buf result = forkcall_buf_fixed(&count, sizeof count);
    const struct forkcall_report report = run(child_opens_files, &limits, &result);
    assert_status(report, FORKCALL_OK);
    assert_true(count >= 0 && count < 60);
}

static int child_forks(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 1;
}

static int processes_host(void *unused)
{
    const struct forkcall_limits limits[] = {{.processes = 1}, {.processes = FORKCALL_LIMIT_ZERO}};
    (void)unused;
    CHECK(geteuid() != 0 || setuid(NOBODY) == 0);
    for (size_t i = 0; i < 2; i++) {
        const struct forkcall_report report = run(child_forks, &limits[i], NULL);
        CHECK(report.status == FORKCALL_FAILED);
        CHECK(report.code == EAGAIN);
    }
    return 0;
}

static void processes_that_are_used_up(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("RLIMIT_NPROC does not work here");
    assert_int_equal(host_run(processes_host, NULL), 0);
}

static int hard_limit_host(void *unused)
{
    const struct rlimit own = {100, 100};
    const struct forkcall_limits above = {.open_files = 101};
    const struct forkcall_limits equal = {.open_files = 100};
    const struct rlimit own_seconds = {5000, 5000};
    const struct forkcall_limits seconds = {.cpu_seconds = 5000, .open_files = 50};
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    (void)unused;
    CHECK(setrlimit(RLIMIT_NOFILE, &own) == 0);
    CHECK(setrlimit(RLIMIT_CPU, &own_seconds) == 0);
    CHECK(geteuid() != 0 || setuid(NOBODY) == 0);
    struct forkcall_report report = run(child_answers_42, &above, &result);
    CHECK(report.status == FORKCALL_NOT_STARTED);
    CHECK(report.code == EPERM);
    CHECK(report.ran == FORKCALL_RAN_NO);
    CHECK(strcmp(report.message, "limits.open_files: 101 is above this process's hard limit of 100") == 0);
    report = run(child_answers_42, &seconds, &result);
    CHECK(report.status == FORKCALL_NOT_STARTED);
    CHECK(strcmp(report.message, "limits.cpu_seconds: 5000 is not below this process's hard limit of 5000") == 0);
    report = run(child_answers_42, &equal, &result);
    CHECK(report.status == FORKCALL_OK);
    forkcall_buf_free(&result);
    return 0;
}

static void limit_above_the_hard_one(void **state)
{
    (void)state;
    if (under_emulator())
        SKIP("limits are the emulator's here");
    assert_int_equal(host_run(hard_limit_host, NULL), 0);
}

/* ---- What the child has used ----------------------------------------------------------------- */

static int child_uses_time_and_memory(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char *memory = malloc(64 * MIB);
    (void)args;
    (void)args_size;
    (void)result;
    if (memory == NULL)
        return 1;
    for (size_t i = 0; i < 64 * MIB; i += 512)
        ((volatile char *)memory)[i] = 1;
    /* On a slow processor the memory alone may take that long, nearly all of it in the kernel. */
    const clock_t end = clock() + (clock_t)(CLOCKS_PER_SEC / 5);
    while (clock() < end)
        for (volatile int i = 0; i < 1000000; i++)
            continue;
    free(memory);
    return 0;
}

static void usage_of_the_child(void **state)
{
    (void)state;
    const struct forkcall_limits none = {.core_bytes = 0};
    const struct forkcall_report report = run(child_uses_time_and_memory, &none, NULL);
    assert_status(report, FORKCALL_OK);
    assert_true(report.usage_known);
    assert_true(report.user_ns + report.system_ns >= 100000000U);
    assert_true(report.user_ns > 0);
    assert_true(report.max_rss_bytes >= 64 * MIB);
    assert_true(report.max_rss_bytes < (uint64_t)1 << 40);
    assert_true(report.elapsed_ns > 0);
}

/* Writes to each page. volatile is needed, because a compiler may leave out memory of which it
 * knows all uses. */
static void touch(volatile char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 1024)
        bytes[i] = 1;
}

static int touches_8_MiB(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char *const bytes = malloc(8 * MIB);
    (void)args;
    (void)args_size;
    (void)result;
    if (bytes == NULL)
        return 1;
    touch(bytes, 8 * MIB);
    free(bytes);
    return 0;
}

static int check_peaks_of_small_children(void)
{
    const struct forkcall_server_options exec_spares = {.exec_spares = true};
    for (int i = 0; i < 2; i++) {
        struct forkcall_report r = run_tested(touches_8_MiB, NULL, 0, NULL, NULL);
        CHECK(r.status == FORKCALL_OK && r.usage_known);
        if (method_shares_memory())
            CHECK(r.max_rss_bytes > 8 * MIB);
        else
            CHECK(r.max_rss_bytes > 8 * MIB && r.max_rss_bytes < 100 * MIB);
        r = run_tested(child_kills_itself, NULL, 0, NULL, NULL);
        CHECK(r.status == FORKCALL_SIGNALED);
        CHECK(method_shares_memory() || r.max_rss_bytes < 100 * MIB);
        if (tested_method() != FORKCALL_SERVER)
            break;
        forkcall_server_stop();
        CHECK(forkcall_server_start(&exec_spares) == 0);
    }
    return 42;
}

/* On some systems a spawned process begins with the peak of the process that has started it. The
 * children of a server may be spawned, too. */
static int host_that_is_larger_than_its_children(void *unused)
{
    char *const large = malloc(200 * MIB);
    (void)unused;
    CHECK(large != NULL);
    touch(large, 200 * MIB);
    const int r = check_peaks_of_small_children();
    free(large);
    return r;
}

static void peak_of_a_child_is_not_that_of_a_larger_host(void **state)
{
    (void)state;
    if (under_sanitizer() || under_emulator())
        SKIP("memory is not used here as the function uses it");
    assert_int_equal(host_run(host_that_is_larger_than_its_children, NULL), 42);
}

int main(void)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_reach_the_child_and_not_the_caller),
        cmocka_unit_test(limit_of_zero),
        cmocka_unit_test(address_space_that_is_used_up),
        cmocka_unit_test(processor_time_that_is_used_up),
        cmocka_unit_test(SIGKILL_that_was_not_the_limit),
        cmocka_unit_test(file_that_is_too_large),
        cmocka_unit_test(signal_of_a_limit_that_was_not_set),
        cmocka_unit_test(descriptors_that_are_used_up),
        cmocka_unit_test(processes_that_are_used_up),
        cmocka_unit_test(limit_above_the_hard_one),
        cmocka_unit_test(usage_of_the_child),
        cmocka_unit_test(peak_of_a_child_is_not_that_of_a_larger_host),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
