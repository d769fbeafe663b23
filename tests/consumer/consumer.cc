/* Tests the installed library from C++: the decorator, a message from a failing function, and an
 * exception that nothing catches. */
#include <forkcall.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>

namespace
{

struct numbers {
    int a;
    int b;
};

int divide(const numbers *args, int *result)
{
    if (args->b == 0)
        return forkcall_fail(33, "%d / 0", args->a);
    *result = args->a / args->b;
    return 0;
}
FORKCALL_WRAP(divide_in_child, divide, numbers, int);

int throws(const void *, size_t, forkcall_buf *)
{
    throw std::runtime_error("not caught");
}

int failures = 0;

void check(bool good, const char *what, const forkcall_report &report)
{
    if (good)
        return;
    std::cout << what << ": " << forkcall_status_name(report.status) << ' ' << report.message << '\n';
    failures++;
}

} // namespace

int main()
{
    numbers args = {84, 2};
    int quotient = 7;
    forkcall_report report = divide_in_child(&args, &quotient);
    check(report.status == FORKCALL_OK && quotient == 42, "84 / 2", report);

    args.b = 0;
    report = divide_in_child(&args, &quotient);
    check(report.status == FORKCALL_FAILED && report.code == 33 && quotient == 42, "the outcome of 84 / 0", report);
    check(std::string(report.message).find("84 / 0") != std::string::npos, "the message of 84 / 0", report);

    forkcall_options options = forkcall_options();
    options.standard_error = FORKCALL_STREAM_NULL; // hides what std::terminate prints
    report = forkcall_run(throws, nullptr, 0, nullptr, &options);
    check(report.status == FORKCALL_SIGNALED && report.code == SIGABRT, "an exception", report);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
