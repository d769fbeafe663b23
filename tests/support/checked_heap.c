/* Put by the linker in the place of functions of the library's and of the C library: ends a process
 * whose thread uses the heap while it holds the lock of descriptors. Another thread that forks may
 * hold the lock of the heap then, and wait for that one: base/descriptors.h. */
#include "base/descriptors.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void __real_fc_fds_lock(void);
void __wrap_fc_fds_lock(void);
void __real_fc_fds_unlock(void);
void __wrap_fc_fds_unlock(void);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __real_free(void *old);
void __wrap_free(void *old);

static _Thread_local bool is_locked;

static void check(void)
{
    static const char text[] = "the heap is used under the lock of descriptors\n";
    if (!is_locked)
        return;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(1);
    abort();
}

void __wrap_fc_fds_lock(void)
{
    __real_fc_fds_lock();
    is_locked = true;
}

void __wrap_fc_fds_unlock(void)
{
    is_locked = false;
    __real_fc_fds_unlock();
}

void *__wrap_malloc(size_t size)
{
    check();
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    check();
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    check();
    return __real_realloc(old, size);
}

void __wrap_free(void *old)
{
    check();
    __real_free(old);
}
