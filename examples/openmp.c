/* How do I call a function that uses OpenMP, in a program that has used OpenMP itself?
 *
 *     openmp [TIMED_OUT | OK]
 *
 * GNU's libgomp keeps its threads for the next parallel region. A forked child inherits the memory
 * that says so, but not the threads, and waits for them for ever. The cure is the first line of
 * main: after forkcall_init(), a new instance of this program makes the children, and it has never
 * used OpenMP.
 *
 * The program shows the disease, which the library reports (a fork is refused; if it is forced,
 * the deadline ends the call), and the cure. The argument, if there is one, is the outcome that
 * the forced fork must have. Exit status 0: all outcomes are as expected. */
#include <forkcall.h>

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TERMS 1000
#define SUM (TERMS * (TERMS + 1L) / 2)

static long parallel_sum(void)
{
    long sum = 0;
#pragma omp parallel for num_threads(4) reduction(+ : sum)
    for (long i = 1; i <= TERMS; i++)
        sum += i;
    return sum;
}

static int sum_in_child(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const long sum = parallel_sum();
    (void)args, (void)args_size;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

/* Makes one call and prints one line about it. A wrong answer counts as no outcome at all. */
static int call(const char *how, const struct forkcall_options *options)
{
    long sum = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&sum, sizeof sum);
    const struct forkcall_report report = forkcall_run(sum_in_child, NULL, 0, &result, options);

    if (report.status == FORKCALL_OK)
        printf("%s: OK: the sum is %ld\n", how, sum);
    else
        printf("%s: %s: %s\n", how, forkcall_status_name(report.status), report.message);
    forkcall_buf_free(&result);
    return report.status == FORKCALL_OK && sum != SUM ? -1 : (int)report.status;
}

int main(int argc, char **argv)
{
    const struct forkcall_options fork = {.method = FORKCALL_FORK, .timeout_ms = 20000};
    const struct forkcall_options forced = {.method = FORKCALL_FORK, .timeout_ms = 2000, .allow_unsafe_fork = true};

    forkcall_init();    /* before anything else */
    omp_set_dynamic(0); /* use four threads, however busy the machine is */

    printf("the caller uses OpenMP: the sum is %ld\n", parallel_sum());
    if ((forkcall_hazards() & FORKCALL_HAZARD_THREADS) == 0) {
        printf("OpenMP has started no threads here, so there is nothing to show\n");
        return EXIT_FAILURE;
    }
    if (call("a fork", &fork) != FORKCALL_UNSAFE)
        return EXIT_FAILURE;

    const int outcome = call("a fork, forced", &forced);
    if (outcome == FORKCALL_TIMED_OUT)
        printf("this OpenMP runtime does not survive a fork\n");
    else if (outcome == FORKCALL_OK)
        printf("this OpenMP runtime survives a fork\n");
    else
        return EXIT_FAILURE;
    if (argc > 1 && strcmp(argv[1], forkcall_status_name((enum forkcall_status)outcome)) != 0) {
        printf("expected: %s\n", argv[1]);
        return EXIT_FAILURE;
    }

    /* The cure needs no options. */
    for (int i = 0; i < 3; i++)
        if (call("the default", NULL) != FORKCALL_OK)
            return EXIT_FAILURE;
    return EXIT_SUCCESS;
}
