/* FFTW with threads: a transform is shared with threads that wait for the next one. */
#include "more.h"

#include <fftw3.h>

#define SIZE 65536
#define ANSWER SIZE

static int transforms(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static fftw_complex *points;
    static fftw_plan plan;
    (void)args;
    (void)args_size;
    if (plan == NULL) {
        fftw_init_threads();
        fftw_plan_with_nthreads(2);
        points = fftw_alloc_complex(SIZE);
        plan = fftw_plan_dft_1d(SIZE, points, points, FFTW_FORWARD, FFTW_ESTIMATE);
    }
    for (int i = 0; i < SIZE; i++)
        points[i][0] = points[i][1] = 0;
    points[0][0] = 1; /* its transform is 1 everywhere */
    fftw_execute(plan);
    double sum = 0.5;
    for (int i = 0; i < SIZE; i++)
        sum += points[i][0];
    const int answer = (int)sum;
    return forkcall_buf_append(result, &answer, sizeof answer);
}

const struct unsafe_library the_library = {
    .name = "FFTW with threads",
    .use = transforms,
    .answer = ANSWER,
    .has_threads = true,
    .status = FORKCALL_TIMED_OUT,
};
