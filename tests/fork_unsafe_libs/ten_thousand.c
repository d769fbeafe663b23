/* Tests the promise as a whole: a program with threads and a heap of 1 GiB, which has used OpenMP
 * itself, calls a function that uses OpenMP ten thousand times with default options, and nothing
 * is left behind.
 *
 *     ten_thousand [CALLS [MIB]]
 *
 * It also prints medians: of these calls, of calls that use no library, and of a bare fork in the
 * same process. They are figures, not conditions. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TERMS 1000
#define SUM (TERMS * (TERMS + 1) / 2)
#define FORKS 5

static size_t calls = 10000;
static size_t heap_mib = 1024;

static int sum_in_parallel(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int sum = 0;
    const int factor = *(const int *)args;
    (void)args_size;
#pragma omp parallel for num_threads(2) reduction(+ : sum)
    for (int i = 1; i <= TERMS; i++)
        sum += i * factor;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

static int add(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int sum = *(const int *)args * SUM;
    (void)args_size;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

static int use_openmp(void)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const int one = 1;
    int sum = 0;
    if (sum_in_parallel(&one, sizeof one, &result) == 0)
        memcpy(&sum, result.data, sizeof sum);
    forkcall_buf_free(&result);
    return sum;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *times, size_t count)
{
    qsort(times, count, sizeof *times, compare);
    return times[count / 2];
}

/* Measures a plain fork, to compare the calls with it. */
static double bare_fork_us(void)
{
    double times[FORKS];
    for (int i = 0; i < FORKS; i++) {
        const double start = now_s();
        const pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
        times[i] = (now_s() - start) * 1e6;
    }
    return median(times, FORKS);
}

static double call_often(forkcall_fn *fn, double *times)
{
    for (int i = 0; i < (int)calls; i++) {
        int sum = 0;
        struct forkcall_buf result = forkcall_buf_fixed(&sum, sizeof sum);
        const double start = now_s();
        const struct forkcall_report report = forkcall_run(fn, &i, sizeof i, &result, NULL);
        times[i] = (now_s() - start) * 1e6;
        assert_status(report, FORKCALL_OK);
        assert_int_not_equal(report.method, FORKCALL_FORK);
        assert_int_equal(sum, SUM * i);
    }
    return median(times, calls);
}

static void ten_thousand_calls_leave_nothing(void **state)
{
    (void)state;
    double *times = calloc(calls, sizeof *times);
    char *heap = malloc(heap_mib << 20);
    assert_non_null(times);
    if (heap == NULL) {
        free(times);
        SKIP("there is no memory for the heap");
    }
    memset(heap, 1, heap_mib << 20);
    /* Without it the compiler would remove the heap. */
    __asm__ volatile("" : : "r"(heap) : "memory");
    assert_int_equal(use_openmp(), SUM);
    assert_int_not_equal(forkcall_hazards() & FORKCALL_HAZARD_THREADS, 0);
    const struct traces before = traces_now();
    const double with_openmp = call_often(sum_in_parallel, times);
    const double with_nothing = call_often(add, times);
    assert_int_equal(forkcall_server_stop(), 0);
    assert_no_traces(before, !under_sanitizer()); /* a sanitizer maps memory as it likes */
    print_message("%zu calls, %zu MiB: median %.0f us with OpenMP, %.0f us without; a bare fork here: %.0f us\n", calls,
                  heap_mib, with_openmp, with_nothing, bare_fork_us());
    free(heap);
    free(times);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_thousand_calls_leave_nothing)};
    forkcall_init();
    if (argc > 1)
        calls = strtoul(argv[1], NULL, 10);
    if (argc > 2)
        heap_mib = strtoul(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
