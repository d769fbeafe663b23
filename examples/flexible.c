/* How do I return a struct with a flexible array, whose length only the function knows?
 *
 * The function makes room in the result, writes there, and cuts off what is left. So nothing is
 * copied, and a large result reaches the caller as the child has written it. Exit status 0: the
 * primes are right. */
#include <forkcall.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct primes {
    uint64_t count;
    uint32_t prime[];
};

static size_t size_of_primes(uint64_t count)
{
    return sizeof(struct primes) + (size_t)count * sizeof(uint32_t);
}

static int find_primes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const uint32_t end = *(const uint32_t *)args;
    (void)args_size;
    if (end < 3)
        return forkcall_fail(EDOM, "there is no prime below %u", end);
    struct primes *found = forkcall_buf_extend(result, size_of_primes(end / 2));
    if (found == NULL)
        return ENOMEM;
    found->count = 0;
    for (uint32_t number = 2; number < end; number++) {
        uint64_t i = 0;
        while (i < found->count && number % found->prime[i] != 0)
            i++;
        if (i == found->count)
            found->prime[found->count++] = number;
    }
    return forkcall_buf_truncate(result, size_of_primes(found->count));
}

/* The result as primes; NULL: it is none. A child that has gone wrong may have written anything. */
static const struct primes *as_primes(const struct forkcall_buf *result)
{
    const struct primes *primes = result->data;
    if (result->size < sizeof *primes || primes->count > (result->size - sizeof *primes) / sizeof *primes->prime ||
        result->size != size_of_primes(primes->count))
        return NULL;
    return primes;
}

/* Returns how many primes there are below end, the last one in *last; 0 after a failure. */
static uint64_t count_primes(uint32_t end, uint32_t *last)
{
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.timeout_ms = 60000};
    uint64_t count = 0;
    const struct forkcall_report report = forkcall_run(find_primes, &end, sizeof end, &result, &options);
    const struct primes *primes = report.status == FORKCALL_OK ? as_primes(&result) : NULL;
    if (primes != NULL && primes->count > 0) {
        count = primes->count;
        *last = primes->prime[count - 1];
        printf("%llu primes below %u, the last is %u\n", (unsigned long long)count, end, *last);
    } else {
        printf("%s: %s\n", forkcall_status_name(report.status), report.message);
    }
    forkcall_buf_free(&result);
    return count;
}

int main(void)
{
    uint32_t last = 0;
    forkcall_init();
    if (count_primes(10, &last) != 4 || last != 7)
        return EXIT_FAILURE;
    if (count_primes(50000, &last) != 5133 || last != 49999)
        return EXIT_FAILURE;
    return count_primes(2, &last) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
