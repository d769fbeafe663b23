/* GNU OpenMP: the threads of the first parallel region are kept for the next one, and a forked
 * child waits for threads that it does not have. */
#include "unsafe_library.h"

#define TERMS 1000

static int sum_in_parallel(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int sum = 0;
    (void)args;
    (void)args_size;
#pragma omp parallel for num_threads(4) reduction(+ : sum)
    for (int i = 1; i <= TERMS; i++)
        sum += i;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

static const struct unsafe_library openmp = {
    .name = "GNU OpenMP",
    .use = sum_in_parallel,
    .answer = TERMS * (TERMS + 1) / 2,
    .has_threads = true,
    .is_listed = true,
    .status = FORKCALL_TIMED_OUT,
};

int main(void)
{
    forkcall_init();
    return unsafe_library_main(&openmp);
}
