/* How do I use all processors, and how much faster is it?
 *
 * Counts the primes below 10^n (n is 1 to 9; 6 unless given as the argument) by trial division, in
 * ranges of which the later ones take longer. First in one process at a time, then in as many as
 * there are processors. A bar on the standard error tells how far it is. Exit status 0: both counts
 * are right; how long they took does not matter. */
#define _POSIX_C_SOURCE 200809L
#include <forkcall.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RANGES 64
#define BAR_WIDTH 40

struct range {
    long begin, end;
};

static bool is_prime(long n)
{
    if (n % 2 == 0)
        return n == 2;
    for (long divisor = 3; divisor * divisor <= n; divisor += 2)
        if (n % divisor == 0)
            return false;
    return n >= 2;
}

/* Runs in a child, which counts one range after another. Were it to use rand(), it would begin with
 * srand((unsigned)range->begin): every child has the same generator, and without a seed of its own
 * draws the same numbers. */
static int count_primes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const struct range *range = args;
    long count = 0;
    (void)args_size;
    for (long n = range->begin; n < range->end; n++)
        count += is_prime(n);
    return forkcall_buf_append(result, &count, sizeof count);
}

struct bar {
    const char *name;
    bool terminal; /* draws over the previous bar; elsewhere only the last bar is printed */
};

/* Called in this process whenever a range is done. */
static int draw_bar(void *user, size_t index, const struct forkcall_report *report, size_t done, size_t count)
{
    const struct bar *bar = user;
    char cells[BAR_WIDTH + 1];
    (void)index, (void)report;
    if (!bar->terminal && done < count)
        return 0;
    for (size_t i = 0; i < BAR_WIDTH; i++)
        cells[i] = i * count < done * BAR_WIDTH ? '#' : '.';
    cells[BAR_WIDTH] = '\0';
    fprintf(stderr, "%s%-14s [%s] %zu of %zu%s", bar->terminal ? "\r" : "", bar->name, cells, done, count,
            done == count ? "\n" : "");
    return 0; /* anything else would cancel the map */
}

/* Returns the time in seconds; *count is -1 if the map failed. */
static double count_all(const struct range *ranges, size_t processes, const char *name, long *count)
{
    long counts[RANGES];
    struct forkcall_buf results[RANGES];
    struct bar bar = {.name = name, .terminal = isatty(STDERR_FILENO) == 1};
    const struct forkcall_map_options options = {
        .processes = processes,
        .items_per_child = RANGES, /* a process counts many ranges; 1: each range has its own */
        .stop_at_failure = true,
        .item_done = draw_bar,
        .user = &bar};

    for (int i = 0; i < RANGES; i++)
        results[i] = forkcall_buf_fixed(&counts[i], sizeof counts[i]);
    const struct forkcall_report report =
        forkcall_map(count_primes, ranges, sizeof *ranges, RANGES, results, NULL, &options);

    *count = -1;
    if (report.status == FORKCALL_OK) {
        *count = 0;
        for (int i = 0; i < RANGES; i++)
            *count += counts[i];
    } else {
        fprintf(stderr, "\n%s: %s\n", forkcall_status_name(report.status), report.message);
    }
    return (double)report.elapsed_ns / 1e9;
}

int main(int argc, char **argv)
{
    forkcall_init(); /* first in main, so that the program may also have threads */

    static const long expected[] = {0, 4, 25, 168, 1229, 9592, 78498, 664579, 5761455, 50847534};
    const long power = argc > 1 ? strtol(argv[1], NULL, 10) : 6;
    struct range ranges[RANGES];
    long limit = 1;
    long one_by_one;
    long at_once;

    if (power < 1 || power > 9) {
        fprintf(stderr, "usage: map [n]    counts the primes below 10^n; n is 1 to 9\n");
        return EXIT_FAILURE;
    }
    for (long i = 0; i < power; i++)
        limit *= 10;
    for (int i = 0; i < RANGES; i++) {
        ranges[i].begin = limit / RANGES * i + limit % RANGES * i / RANGES;
        ranges[i].end = limit / RANGES * (i + 1) + limit % RANGES * (i + 1) / RANGES;
    }
    const double slow = count_all(ranges, 1, "one process", &one_by_one);
    /* 0: as many processes as there are processors. */
    const double fast = count_all(ranges, 0, "all processors", &at_once);

    printf("primes below %ld: %ld by one process at a time, %ld by many\n", limit, one_by_one, at_once);
    printf("one process: %.3f s; all processors: %.3f s; speed-up: %.2f\n", slow, fast, slow / fast);
    return one_by_one == expected[power] && at_once == expected[power] ? EXIT_SUCCESS : EXIT_FAILURE;
}
