/* CHILD: glibc tells a handler of on_exit(3) the whole status. */
#include "child/exit_hooks.h"

#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* More than the C library keeps in a cache of freed blocks that calloc does not look into. */
#define ROOM 4096

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

/* In a child of a threaded process another thread may have held the lock of the list of handlers:
 * registering there could wait for ever, before the function even runs. So the handler that ends
 * the child is registered before the fork, under the guard's address, and taken back after it, in
 * the caller: it comes after the function's own handlers, and before every one of the caller's, in
 * whatever thread exit() is called. It is not told the status. That is noted by a handler of
 * on_exit(3), which a destructor of thread-local data registers: it runs at exit() in the
 * function's thread, before the list is looked at. */
extern int __cxa_thread_atexit_impl(void (*function)(void *), void *object, void *dso);
extern int __cxa_atexit(void (*function)(void *), void *object, void *dso);
extern int __cxa_at_quick_exit(void (*function)(void *), void *dso);
extern void __cxa_finalize(void *dso); /* NULL: of all of them */
extern void *__dso_handle __attribute__((visibility("hidden")));

/* The guard that is being taken back: __cxa_finalize() calls its handler. */
static _Thread_local const void *released;
static int noted_status;
static bool status_is_noted;

static void note_status(int status, void *unused)
{
    (void)unused;
    noted_status = status;
    status_is_noted = true;
}

static void at_thread_exit(void *unused)
{
    (void)unused;
    if (fc_is_child())
        on_exit(note_status, NULL);
}

/* In the caller, too: when the guard is taken back, or another thread exits meanwhile. The caller
 * may itself be a child, whose function calls forkcall_run() by FORK: that child must not end
 * because the guard of its own call is taken back. guard is compared only, as the frame that holds
 * the guard may be gone after a longjmp(). */
static void at_exit(void *guard)
{
    if (guard == released || !fc_is_child())
        return;
    if (status_is_noted)
        fc_child_exited(noted_status);
    fc_child_exited_unknown();
}

static void at_quick_exit_of_child(void *unused)
{
    (void)unused;
    if (fc_is_child())
        fc_child_exited_unknown();
}

/* Registers the destructor once for each thread. glibc ends the whole process where calloc has no
 * 32 bytes for that ("failed to register TLS destructor"). So a page is asked for first and given
 * back, which leaves room. */
static bool note_thread_exit(void)
{
    static _Thread_local bool registered;
    if (registered)
        return true;
    void *volatile room = calloc(1, ROOM);
    if (room == NULL)
        return false;
    free(room);
    registered = __cxa_thread_atexit_impl(at_thread_exit, &registered, &__dso_handle) == 0;
    return registered;
}

int fc_exit_hooks_prepare(struct fc_exit_hooks *guard)
{
    const bool ready = note_thread_exit() && __cxa_atexit(at_exit, guard, guard) == 0 &&
                       __cxa_at_quick_exit(at_quick_exit_of_child, guard) == 0;
    return ready ? 0 : -ENOMEM;
}

void fc_exit_hooks_release(struct fc_exit_hooks *guard)
{
    released = guard;
    __cxa_finalize(guard);
    released = NULL;
}

void fc_exit_hooks_arm(bool threaded)
{
    if (threaded)
        return;
    on_exit(on_exit_handler, NULL);
#ifdef HAVE_AT_QUICK_EXIT
    at_quick_exit(on_quick_exit);
#endif
}

/* ---- At return ------------------------------------------------------------------------------- */

static void at_return(void *unused)
{
    (void)unused;
    if (fc_is_child()) /* else the server's own exit() */
        fc_child_handlers_have_run();
}

bool fc_exit_hooks_arm_return(void)
{
    return __cxa_atexit(at_return, NULL, NULL) == 0 && on_exit(on_exit_handler, NULL) == 0;
}

/* Not by exit(): that would first destroy the thread's own C++ objects, and with them those that
 * the program has made before, which are not the function's. Handlers of on_exit(3) are passed
 * over, on_exit_handler among them: it comes before at_return at exit(), so exit() in a handler is
 * told with its status. */
void fc_exit_hooks_run_handlers(int status)
{
    (void)status;
    __cxa_finalize(NULL);
}
