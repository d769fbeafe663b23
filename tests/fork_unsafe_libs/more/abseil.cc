/* Abseil has no threads of its own: its locks and its threads' identities survive a fork. */
#include "more.h"

#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>

namespace
{
const int ANSWER = 13;
absl::Mutex mutex;
bool ready;

int waits(const void *, size_t, struct forkcall_buf *result)
{
    mutex.Lock();
    ready = false;
    const bool timed_out = mutex.AwaitWithTimeout(absl::Condition(&ready), absl::Milliseconds(1));
    mutex.Unlock();
    const int answer = timed_out ? 0 : ANSWER;
    return forkcall_buf_append(result, &answer, sizeof answer);
}

struct unsafe_library describe()
{
    struct unsafe_library library = {};
    library.name = "Abseil's mutex";
    library.use = waits;
    library.answer = ANSWER;
    library.survives = true;
    return library;
}
} // namespace

extern "C" const struct unsafe_library the_library = describe();
