/* The library's calls in the comparisons. */
#include "library_calls.h"

#include "measure.h"
#include "workload.h"

#include <stdio.h>
#include <string.h>

const struct forkcall_options by_fork = {.method = FORKCALL_FORK};

static int answer_trivially(const void *args, size_t args_size, struct forkcall_buf *result)
{
    uint64_t question = 0;
    if (args_size != sizeof question)
        return forkcall_fail(1, "%zu bytes of arguments", args_size);
    memcpy(&question, args, sizeof question);
    const uint64_t answer = trivial_answer(question);
    return forkcall_buf_append(result, &answer, sizeof answer);
}

bool ended_as(const struct forkcall_report *report, enum forkcall_status expected)
{
    if (report->status == expected)
        return true;
    fprintf(stderr, "forkcall-bench: %s, not %s: %s\n", forkcall_status_name(report->status),
            forkcall_status_name(expected), report->message);
    return false;
}

int64_t library_call(void *context)
{
    const uint64_t start = clock_ns();
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options *const options = context != NULL ? context : &by_fork;
    const struct forkcall_report report = forkcall_run(answer_trivially, &start, sizeof start, &result, options);
    uint64_t answer = 0;
    if (result.size == sizeof answer)
        memcpy(&answer, result.data, sizeof answer);
    forkcall_buf_free(&result);
    const int64_t elapsed = elapsed_since(start);
    return ended_as(&report, FORKCALL_OK) && answer == trivial_answer(start) ? elapsed : RUN_FAILED;
}
