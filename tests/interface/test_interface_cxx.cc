// Tests that the header compiles as C++, with every name of it used.
#include <forkcall.h>

#include <cstdio>
#include <cstring>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            return 1;                                                                      \
        }                                                                                  \
    } while (0)

struct numbers {
    int a, b;
};

static int add(const numbers *args, int *result)
{
    *result = args->a + args->b;
    return 0;
}

FORKCALL_WRAP(add_in_child, add, numbers, int);

static int say(const void *args, size_t args_size, forkcall_buf *result)
{
    forkcall_progress(1, 2, "half");
    if (!forkcall_in_child())
        forkcall_throw(3, "not in a %s", "child");
    if (forkcall_buf_append(result, args, args_size) != 0 || forkcall_buf_extend(result, 3) == nullptr)
        return forkcall_fail(4, "no memory");
    return forkcall_buf_truncate(result, args_size);
}

static int hear_progress(void *user, double done, double total, const char *note)
{
    *static_cast<bool *>(user) = done < total && std::strcmp(note, "half") == 0;
    return 0;
}

static int hear_output(void *, int, const char *, size_t)
{
    return 0;
}

static int use_calls()
{
    bool heard = false;
    char storage[8];
    forkcall_buf result = forkcall_buf_fixed(storage, sizeof storage);
    forkcall_buf details = FORKCALL_BUF_INIT;
    forkcall_options options = {};
    options.progress = hear_progress;
    options.output = hear_output;
    options.standard_output = FORKCALL_STREAM_CAPTURE;
    options.user = &heard;
    options.details = &details;
    options.limits.core_bytes = FORKCALL_LIMIT_ZERO;
    forkcall_report report = forkcall_run(say, "hello", 5, &result, &options);
    CHECK(report.status == FORKCALL_OK && heard && result.size == 5 && std::memcmp(storage, "hello", 5) == 0);
    report = run_in_forked_process(say, nullptr, &result);
    CHECK(report.status == FORKCALL_FAILED || report.status == FORKCALL_TOO_BIG);
    options.method = FORKCALL_INLINE;
    report = forkcall_run(say, "hello", 5, &result, &options);
    CHECK(report.status == FORKCALL_FAILED && report.code == 3);
    char text[512];
    CHECK(forkcall_explain(&report, text, sizeof text) > 0);
    CHECK(std::strcmp(forkcall_status_name(report.status), "FAILED") == 0);
    forkcall_buf_free(&details);
    return 0;
}

static int use_handles()
{
    forkcall_call *call = nullptr;
    forkcall_buf result = FORKCALL_BUF_INIT;
    CHECK(forkcall_start(&call, say, "hello", 5, &result, nullptr) == 0);
    (void)forkcall_fd(call);
    CHECK(forkcall_wait(call, -1) == 1);
    CHECK(forkcall_cancel(call) == 0);
    const forkcall_report report = forkcall_finish(call);
    CHECK(report.status == FORKCALL_OK && report.ran == FORKCALL_RAN_YES && result.size == 5);
    CHECK((forkcall_hazards() & FORKCALL_HAZARDS_REFUSE) == 0);
    CHECK(forkcall_version() == FORKCALL_VERSION);
    forkcall_buf_free(&result);
    return 0;
}

int main()
{
    const numbers args = {1, 2};
    int sum = 0;
    CHECK(add_in_child(&args, &sum).status == FORKCALL_OK && sum == 3);
    return use_calls() + use_handles();
}
