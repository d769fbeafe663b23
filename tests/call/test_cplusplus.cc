// Tests exceptions in C++: one that leaves the function must not reach the caller's catch, in the
// child.
//
// SPDX-License-Identifier: MIT
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" {
#include "children.h"
#include "support.h"
}

namespace
{

// What host and child note in shared memory.
struct evidence {
    volatile int caller_caught, caller_destroyed, own_destroyed, own_caught, programs_destroyed;
};

evidence *seen()
{
    return static_cast<evidence *>(shared_memory());
}

pid_t host;

struct callers_object {
    ~callers_object()
    {
        if (getpid() != host)
            seen()->caller_destroyed = 1;
    }
};

struct own_object {
    ~own_object()
    {
        seen()->own_destroyed = 1;
    }
};

forkcall_report run_in_a_try_block(forkcall_fn *fn)
{
    forkcall_report report = forkcall_report();
    try {
        const callers_object object;
        report = run_tested(fn, nullptr, 0, nullptr, nullptr);
    } catch (...) {
        seen()->caller_caught = 1;
        if (getpid() != host)
            _exit(99); // this process is a second copy of the host
    }
    return report;
}

// ---- Exceptions out of the function ------------------------------------------------------------

int throws(const void *, std::size_t, forkcall_buf *)
{
    throw std::runtime_error("thrown in the function");
}

int throws_an_int(const void *, std::size_t, forkcall_buf *)
{
    throw 1; // NOLINT: any type may be thrown
}

struct thrower {
    forkcall_fn *fn;
    const char *exception; // its type, and what it says
};

// The text is read from the exception where libstdc++ has made it.
#ifdef __GLIBCXX__
constexpr char runtime_error_text[] = "std::runtime_error: thrown in the function";
#else
constexpr char runtime_error_text[] = "std::runtime_error";
#endif

int host_whose_function_throws(void *context)
{
    const thrower *thrown = static_cast<thrower *>(context);
    host = getpid();
    const forkcall_report report = run_in_a_try_block(thrown->fn);
    CHECK(getpid() == host);
    CHECK(report.status == FORKCALL_SIGNALED && report.code == SIGABRT && report.ran == FORKCALL_RAN_YES);
    CHECK(report.crash.signal == SIGABRT);
    CHECK(std::strcmp(report.message,
                      (std::string("killed by SIGABRT (C++ exception ") + thrown->exception + ")").c_str()) == 0);
    CHECK(seen()->caller_caught == 0 && seen()->caller_destroyed == 0);
    return 42;
}

void exception_out_of_the_function_does_not_reach_the_callers_catch(void **)
{
    thrower throwers[] = {{throws, runtime_error_text}, {throws_an_int, "int"}};
    for (thrower &thrown : throwers)
        assert_int_equal(host_run(host_whose_function_throws, static_cast<void *>(&thrown)), 42);
}

// ---- Exceptions inside of the function ---------------------------------------------------------

int catches(const void *args, std::size_t args_size, forkcall_buf *result)
{
    try {
        const own_object object;
        throws(args, args_size, result);
    } catch (const std::exception &e) {
        seen()->own_caught = 1;
        return forkcall_buf_append(result, e.what(), std::strlen(e.what()));
    }
    return 1;
}

void exception_inside_the_function_is_caught_there(void **)
{
    forkcall_buf result = FORKCALL_BUF_INIT;
    const forkcall_report report = run_tested(catches, nullptr, 0, &result, nullptr);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(seen()->own_destroyed, 1);
    assert_int_equal(seen()->own_caught, 1);
    const std::string text(static_cast<const char *>(result.data), result.size);
    assert_string_equal(text.c_str(), "thrown in the function");
    forkcall_buf_free(&result);
}

int ends_its_thread(const void *, std::size_t, forkcall_buf *)
{
    const own_object object;
    pthread_exit(nullptr);
}

int host_whose_function_ends_its_thread(void *)
{
    host = getpid();
    const forkcall_report report = run_in_a_try_block(ends_its_thread);
    CHECK(getpid() == host);
    CHECK(report.status == FORKCALL_EXITED && report.ran == FORKCALL_RAN_YES);
    CHECK(seen()->caller_caught == 0 && seen()->caller_destroyed == 0);
    return 42;
}

// With glibc pthread_exit() unwinds like an exception. Other C libraries run no destructors.
void pthread_exit_is_not_seen_by_the_callers_catch(void **)
{
    assert_int_equal(host_run(host_whose_function_ends_its_thread, nullptr), 42);
#ifdef __GLIBC__
    assert_int_equal(seen()->own_destroyed, 1);
#endif
}

// A function that reports an exception by its message.
int translates(const void *args, std::size_t args_size, forkcall_buf *result)
{
    try {
        return throws(args, args_size, result);
    } catch (const std::exception &e) {
        return forkcall_fail(5, "%s", e.what());
    }
}

void exception_becomes_a_message(void **)
{
    const forkcall_report report = run_tested(translates, nullptr, 0, nullptr, nullptr);
    assert_status(report, FORKCALL_FAILED);
    assert_int_equal(report.code, 5);
    assert_string_equal(report.message, "thrown in the function");
}

// ---- Thread-local objects ----------------------------------------------------------------------

thread_local callers_object callers_own;

int exits(const void *, std::size_t, forkcall_buf *)
{
    std::exit(3); // NOLINT(concurrency-mt-unsafe): what is tested
}

int returns(const void *, std::size_t, forkcall_buf *)
{
    return 0;
}

int throws_a_code(const void *, std::size_t, forkcall_buf *)
{
    forkcall_throw(5, "thrown");
}

int host_with_a_thread_local_object(void *)
{
    host = getpid();
    const callers_object *used = &callers_own; // the first use constructs the object
    CHECK(used != nullptr);
    CHECK(run_tested(returns, nullptr, 0, nullptr, nullptr).status == FORKCALL_OK);
    CHECK(run_tested(throws_a_code, nullptr, 0, nullptr, nullptr).status == FORKCALL_FAILED);
    CHECK(seen()->caller_destroyed == 0);
    CHECK(run_tested(exits, nullptr, 0, nullptr, nullptr).status == FORKCALL_EXITED);
#ifdef __GLIBC__
    // exit() begins by destroying thread-local objects.
    CHECK(seen()->caller_destroyed == (method_shares_memory() ? 1 : 0));
#endif
    return 42;
}

void thread_local_objects_of_the_caller_are_destroyed_by_exit_alone(void **)
{
    assert_int_equal(host_run(host_with_a_thread_local_object, nullptr), 42);
}

struct programs_object {
    ~programs_object()
    {
        if (forkcall_in_child()) // false: this is the end of the host
            seen()->programs_destroyed = 1;
    }
    int made = 1;
};

// Every process of this program makes such an object before main().
int make_before_main()
{
    static thread_local const programs_object object;
    return object.made;
}

const int made = make_before_main();

int makes_a_static_object(const void *, std::size_t, forkcall_buf *result)
{
    static const own_object object;
    return forkcall_buf_append(result, &made, sizeof made);
}

void static_object_of_the_function_is_destroyed_at_its_return_where_nothing_is_the_callers(void **)
{
    int was_made = 0;
    forkcall_buf result = forkcall_buf_fixed(&was_made, sizeof was_made);
    const forkcall_report report = run_tested(makes_a_static_object, nullptr, 0, &result, nullptr);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(was_made, 1);
    assert_int_equal(seen()->own_destroyed, method_shares_memory() ? 0 : 1);
    assert_int_equal(seen()->programs_destroyed, 0);
}

void handler_that_throws()
{
    throw std::runtime_error("thrown by a handler");
}

int leaves_a_handler_that_throws(const void *, std::size_t, forkcall_buf *)
{
    return std::atexit(handler_that_throws) == 0 ? 0 : 99;
}

void exception_out_of_a_handler_is_told_as_an_abort(void **)
{
    const forkcall_report report = run_tested(leaves_a_handler_that_throws, nullptr, 0, nullptr, nullptr);
    assert_status(report, method_shares_memory() ? FORKCALL_OK : FORKCALL_SIGNALED);
    assert_int_equal(report.code, method_shares_memory() ? 0 : SIGABRT);
}

// ---- The header --------------------------------------------------------------------------------

struct numbers {
    int a, b;
};

int divide(const numbers *args, double *quotient)
{
    if (args->b == 0)
        return forkcall_fail(33, "division of %d by 0", args->a);
    *quotient += static_cast<double>(args->a) / args->b; // The result begins as 0.
    return 0;
}

FORKCALL_WRAP(divide_in_child, divide, numbers, double);

void decorator_works_from_cplusplus(void **)
{
    const numbers good = {7, 2};
    const numbers bad = {7, 0};
    double quotient = -1;
    forkcall_report report = divide_in_child(&good, &quotient);
    assert_status(report, FORKCALL_OK);
    assert_true(quotient > 3.4 && quotient < 3.6);
    report = divide_in_child(&bad, &quotient);
    assert_status(report, FORKCALL_FAILED);
    assert_int_equal(report.code, 33);
    assert_string_equal(report.message, "division of 7 by 0");
    assert_true(quotient > 3.4 && quotient < 3.6);
    report = divide_in_child(&good, nullptr);
    assert_status(report, FORKCALL_OK);
}

int sums(const void *args, std::size_t args_size, forkcall_buf *result)
{
    const std::vector<int> values(static_cast<const int *>(args),
                                  static_cast<const int *>(args) + args_size / sizeof(int));
    int sum = 0;
    for (const int value : values)
        sum += value;
    return forkcall_buf_append(result, &sum, sizeof sum);
}

void options_and_fixed_buffers_work_from_cplusplus(void **)
{
    const std::vector<int> values = {1, 2, 39};
    int sum = 0;
    forkcall_buf result = forkcall_buf_fixed(&sum, sizeof sum);
    forkcall_options options = forkcall_options();
    options.timeout_ms = DEADLINE_S * 1000;
    const forkcall_report report = run_tested(sums, values.data(), values.size() * sizeof(int), &result, &options);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(sum, 42);
}

} // namespace

int main()
{
    if (!method_shares_memory())
        forkcall_init();
#define TEST(name) cmocka_unit_test_setup(name, set_up_test)
    const CMUnitTest tests[] = {
        TEST(exception_out_of_the_function_does_not_reach_the_callers_catch),
        TEST(exception_inside_the_function_is_caught_there),
        TEST(thread_local_objects_of_the_caller_are_destroyed_by_exit_alone),
        TEST(static_object_of_the_function_is_destroyed_at_its_return_where_nothing_is_the_callers),
        TEST(exception_out_of_a_handler_is_told_as_an_abort),
        TEST(pthread_exit_is_not_seen_by_the_callers_catch),
        TEST(exception_becomes_a_message),
        TEST(decorator_works_from_cplusplus),
        TEST(options_and_fixed_buffers_work_from_cplusplus),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
