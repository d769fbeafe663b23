/* Memory that is marked MADV_DONTFORK, as drivers of network cards and graphics processors mark
 * it: a forked child does not have it. */
#include "unsafe_library.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define ANSWER 321

static volatile int *make(void)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED || madvise(memory, size, MADV_DONTFORK) < 0 ? NULL : memory;
}

static int touch(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static volatile int *ring;
    (void)args;
    (void)args_size;
    if (ring == NULL)
        ring = make();
    if (ring == NULL)
        return forkcall_fail(errno, "no memory of its own");
    *ring = ANSWER;
    const int value = *ring;
    return forkcall_buf_append(result, &value, sizeof value);
}

static const struct unsafe_library device = {
    .name = "MADV_DONTFORK",
    .use = touch,
    .answer = ANSWER,
    .status = FORKCALL_SIGNALED,
    .code = SIGSEGV,
    .crash_flags = FORKCALL_CRASH_MAPPED_IN_CALLER,
};

int main(void)
{
    forkcall_init();
    return unsafe_library_main(&device);
}
