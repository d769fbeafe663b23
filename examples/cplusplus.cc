// How do I make calls from C++, with std::string, exceptions and RAII?
//
// call<function>(text) runs std::string function(const std::string &) in a child. What the function
// throws, the caller catches, and so a crash or a timeout, too. Exit status 0: the outcomes are
// those that are wanted.
#include <forkcall.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

// ---- What a program would put into a header ----------------------------------------------------

class call_error : public std::runtime_error
{
  public:
    explicit call_error(const forkcall_report &report) : std::runtime_error(report.message), report_(report)
    {
    }
    const forkcall_report &report() const
    {
        return report_;
    }

  private:
    forkcall_report report_;
};

// The memory of a result is freed with its scope.
class buffer
{
  public:
    buffer() = default;
    buffer(const buffer &) = delete;
    buffer &operator=(const buffer &) = delete;
    ~buffer()
    {
        forkcall_buf_free(&buf_);
    }
    forkcall_buf *get()
    {
        return &buf_;
    }
    std::string text() const
    {
        return buf_.size == 0 ? std::string() : std::string(static_cast<const char *>(buf_.data), buf_.size);
    }

  private:
    forkcall_buf buf_ = FORKCALL_BUF_INIT;
};

// Runs in the child. An exception that left this function would end the child by SIGABRT.
template <std::string (*function)(const std::string &)>
int in_child(const void *args, std::size_t size, forkcall_buf *result)
{
    try {
        const std::string argument = size == 0 ? std::string() : std::string(static_cast<const char *>(args), size);
        const std::string answer = function(argument);
        return forkcall_buf_append(result, answer.data(), answer.size());
    } catch (const std::exception &e) {
        return forkcall_fail(ECANCELED, "%s", e.what());
    }
}

template <std::string (*function)(const std::string &)>
std::string call(const std::string &argument, int timeout_ms = 10000)
{
    buffer result;
    forkcall_options options = forkcall_options();
    options.timeout_ms = timeout_ms;
    const forkcall_report report =
        forkcall_run(in_child<function>, argument.data(), argument.size(), result.get(), &options);
    if (report.status != FORKCALL_OK)
        throw call_error(report);
    return result.text();
}

// ---- The program -------------------------------------------------------------------------------

static std::string greet(const std::string &name)
{
    if (name.empty())
        throw std::invalid_argument("whom shall I greet?");
    if (name == "nobody")
        std::abort(); // stands for a bug
    return "Hello, " + name + "!";
}

// Greets, and returns how that ended.
static forkcall_status ask(const std::string &name)
{
    try {
        std::cout << call<greet>(name) << '\n';
        return FORKCALL_OK;
    } catch (const call_error &e) {
        std::cout << forkcall_status_name(e.report().status) << ": " << e.what() << '\n';
        return e.report().status;
    }
}

int main()
{
    forkcall_init();
    const bool right = ask("world") == FORKCALL_OK && ask("everybody, however many there are") == FORKCALL_OK &&
                       ask("") == FORKCALL_FAILED && ask("nobody") == FORKCALL_SIGNALED;
    return right ? 0 : 1;
}
