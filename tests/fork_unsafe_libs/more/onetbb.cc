/* oneTBB: worker threads. The thread that asks takes part in the work, and does all of it where the
 * workers are missing, as in a child of 2021.8: a fork then is survived, which the test tells. */
#include "more.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_reduce.h>

#include <functional>

namespace
{
const int TERMS = 1000;

int sums(const void *, size_t, struct forkcall_buf *result)
{
    static tbb::global_control threads(tbb::global_control::max_allowed_parallelism, 4);
    const int sum = tbb::parallel_reduce(
        tbb::blocked_range<int>(1, TERMS + 1, 1), 0,
        [](const tbb::blocked_range<int> &range, int before) {
            for (int i = range.begin(); i != range.end(); i++)
                before += i;
            return before;
        },
        std::plus<int>());
    return forkcall_buf_append(result, &sum, sizeof sum);
}

struct unsafe_library describe()
{
    struct unsafe_library library = {};
    library.name = "oneTBB";
    library.use = sums;
    library.answer = TERMS * (TERMS + 1) / 2;
    library.has_threads = true;
    library.status = FORKCALL_TIMED_OUT;
    return library;
}
} // namespace

extern "C" const struct unsafe_library the_library = describe();
