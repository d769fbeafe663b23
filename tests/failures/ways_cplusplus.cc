// Functions in C++ that end by an exception, or by the C++ runtime.
#include "ways.h"

#include <new>
#include <stdexcept>
#include <string>

namespace app
{

struct chunk_error : std::runtime_error {
    using std::runtime_error::runtime_error;
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
    WAY(exception, SIGNALED, "killed by SIGABRT (C++ exception app::chunk_error)", NAMES),
    WAY(exception_without_what, SIGNALED, "killed by SIGABRT (C++ exception app::other)", NAMES),
    WAY(no_memory_for_new, SIGNALED, "killed by SIGABRT (C++ exception std::bad_", NAMES | BEGINS),
    WAY(pure_virtual, SIGNALED, "killed by SIGABRT", NAMES | NO_LINE),
};
extern const unsigned cplusplus_way_count;
const unsigned cplusplus_way_count = COUNT_OF(cplusplus_ways);
