/* Qt: its pool of threads. */
#include "more.h"

#include <QRunnable>
#include <QSemaphore>
#include <QThreadPool>

namespace
{
const int ANSWER = 7;
int value;
QSemaphore done;

class Work : public QRunnable
{
    void run() override
    {
        value = ANSWER;
        done.release();
    }
};

int works(const void *, size_t, struct forkcall_buf *result)
{
    value = 0;
    QThreadPool::globalInstance()->setExpiryTimeout(-1);
    QThreadPool::globalInstance()->start(new Work);
    done.acquire();
    return forkcall_buf_append(result, &value, sizeof value);
}

struct unsafe_library describe()
{
    struct unsafe_library library = {};
    library.name = "Qt's thread pool";
    library.use = works;
    library.answer = ANSWER;
    library.has_threads = true;
    library.status = FORKCALL_TIMED_OUT;
    return library;
}
} // namespace

extern "C" const struct unsafe_library the_library = describe();
