/* glibc tells a handler of on_exit(3) the whole status. */
#include "exit_guard.h"

#include "config.h"

#include <stddef.h>
#include <stdlib.h>

static void on_exit_handler(int status, void *unused)
{
    (void)unused;
    fc_child_exited(status);
}

#ifdef HAVE_AT_QUICK_EXIT
static void on_quick_exit(void)
{
    fc_child_exited_unknown();
}
#endif

/* In a child of a threaded process another thread may have held the lock of the list of handlers: registering there could
 * wait for ever, before the function even runs. A destructor of thread-local data, registered before the fork, runs at
 * exit() before the list is looked at, in the thread that calls exit(). */
extern int __cxa_thread_atexit_impl(void (*function)(void *), void *object, void *dso);
extern void *__dso_handle __attribute__((visibility("hidden")));

static void at_thread_exit(void *unused)
{
    (void)unused;
    if (fc_is_child())
        on_exit(on_exit_handler, NULL);
}

void fc_exit_guard_prepare(bool threaded)
{
    static _Thread_local bool registered;
    if (!threaded || registered)
        return;
    registered = __cxa_thread_atexit_impl(at_thread_exit, &registered, &__dso_handle) == 0;
}

void fc_exit_guard_arm(bool threaded)
{
    if (threaded)
        return;
    on_exit(on_exit_handler, NULL);
#ifdef HAVE_AT_QUICK_EXIT
    at_quick_exit(on_quick_exit);
#endif
}
