// Functions in C++ that end by an exception, or by the C++ runtime.
#include "ways.h"

#include <cstdlib>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

// What an exception says is read from the memory of libstdc++ on 64-bit systems.
#if defined(__GLIBCXX__) && defined(__LP64__)
#define WHAT(text) text
#else
#define WHAT(text) ""
#endif

namespace app
{

struct chunk_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Its what() is the program's own code, which may do anything. Nobody calls it for a report.
struct hanging_error : std::runtime_error {
    using std::runtime_error::runtime_error;
    const char *what() const noexcept override
    {
        while (zero == 0)
            sink = 1;
        return "";
    }
};

struct other {
    int code;
};

struct base {
    base()
    {
        start();
    }
    virtual ~base() = default;
    virtual int work(int n) = 0;
    NOINLINE void start();
};

void base::start()
{
    sink = work(1);
}

struct derived : base {
    int work(int n) override
    {
        return n;
    }
};

} // namespace app

LEAF(exception)
{
    throw app::chunk_error("chunk " + std::to_string(n));
}
CALLS(exception)

LEAF(exception_whose_what_hangs)
{
    std::set_terminate(std::abort); // the runtime's own handler would call what()
    throw app::hanging_error("chunk " + std::to_string(n));
}
CALLS(exception_whose_what_hangs)

LEAF(exception_of_logic)
{
    throw std::out_of_range("no chunk\n" + std::string(300, 'x') + std::to_string(n));
}
CALLS(exception_of_logic)

LEAF(exception_without_what)
{
    throw app::other{n};
}
CALLS(exception_without_what)

LEAF(no_memory_for_new)
{
    char *volatile memory = new char[static_cast<std::size_t>(-1) / 4 + static_cast<std::size_t>(zero)];
    sink = memory[n];
    return sink;
}
CALLS(no_memory_for_new)

LEAF(pure_virtual)
{
    app::derived object;
    return object.work(n);
}
CALLS(pure_virtual)

extern const struct way cplusplus_ways[] = {
    WAY(exception, SIGNALED, "killed by SIGABRT (C++ exception app::chunk_error" WHAT(": chunk 4") ")", NAMES),
    WAY(exception_whose_what_hangs, SIGNALED, "killed by SIGABRT (C++ exception app::hanging_error)", NAMES),
    WAY(exception_of_logic, SIGNALED, "killed by SIGABRT (C++ exception std::out_of_range" WHAT(": no chunk") ")",
        NAMES),
    WAY(exception_without_what, SIGNALED, "killed by SIGABRT (C++ exception app::other)", NAMES),
    WAY(no_memory_for_new, SIGNALED, "killed by SIGABRT (C++ exception std::bad_", NAMES | BEGINS),
    WAY(pure_virtual, SIGNALED, "killed by SIGABRT", NAMES | NO_LINE),
};
extern const unsigned cplusplus_way_count;
const unsigned cplusplus_way_count = COUNT_OF(cplusplus_ways);
