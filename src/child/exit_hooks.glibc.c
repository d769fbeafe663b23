/* CHILD: exit() with glibc, where a handler of on_exit(3) is told the whole status. */
#include "child/exit_hooks.h"

#include "config.h"

#include <errno.h>
#include <setjmp.h>
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

/* exit() in the child of a threaded host.
 *
 * Problem: to register an exit handler takes a lock of the C library, which another thread of the
 * host may have held at the fork. The child would wait for it for ever. So:
 *
 * 1. Before the fork the host registers at_exit() under the address of a guard (__cxa_atexit).
 * 2. After the fork the host takes it back (__cxa_finalize).
 * 3. The child keeps it. It runs after the function's own handlers and before all of the host's, in
 *    whatever thread exit() is called, and ends the process.
 *
 * at_exit() is not told the exit status. So a destructor of thread-local data, which exit() runs
 * first in the function's thread, registers a handler of on_exit(3), which notes the status. */
extern int __cxa_thread_atexit_impl(void (*function)(void *), void *object, void *dso);
extern int __cxa_atexit(void (*function)(void *), void *object, void *dso);
extern int __cxa_at_quick_exit(void (*function)(void *), void *dso);
extern void __cxa_finalize(void *dso); /* NULL: runs the handlers of all */
extern void *__dso_handle __attribute__((visibility("hidden")));

/* The guard that this thread takes back now: __cxa_finalize() calls its handler. */
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

/* Ends the child at exit(). It is also called in the host, when the guard is taken back or another
 * thread calls exit() meanwhile. The host may itself be a child, whose function calls
 * forkcall_run() by FORK: it must not end because the guard of its own call is taken back. guard is
 * compared only, because after a longjmp() the frame that held the guard may be gone. */
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

/* Registers the destructor once for each thread. glibc ends the whole process if calloc has no 32
 * bytes for that ("failed to register TLS destructor"). So a page is allocated first and freed
 * again, which leaves room. */
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

void fc_exit_hooks_install(bool threaded)
{
    if (threaded)
        return;
    on_exit(on_exit_handler, NULL);
#ifdef HAVE_AT_QUICK_EXIT
    at_quick_exit(on_quick_exit);
#endif
}

/* ---- At return ------------------------------------------------------------------------------- */

/* Where at_return goes, in the thread that runs the handlers; NULL: it ends the process. */
static _Thread_local jmp_buf *back;

static void at_return(void *unused)
{
    (void)unused;
    if (back != NULL)
        longjmp(*back, 1);
    if (fc_is_child()) /* else it is the server's own exit() */
        fc_child_handlers_have_run();
}

bool fc_exit_hooks_install_at_return(void)
{
    return __cxa_atexit(at_return, NULL, NULL) == 0 && on_exit(on_exit_handler, NULL) == 0;
}

/* Does not call exit(), which would first destroy the thread's C++ objects, and among them those
 * that the program has made before the call. __cxa_finalize() passes over handlers of on_exit(3),
 * so that on_exit_handler stays: it runs before at_return if a handler calls exit(), and tells its
 * status. */
void fc_exit_hooks_run_handlers(int status)
{
    (void)status;
    __cxa_finalize(NULL);
}

/* Leaves __cxa_finalize() by longjmp(3): glibc calls a handler without its lock, and has taken it
 * out of the list before. If a handler calls exit(), on_exit_handler runs next and ends the
 * process. It stays in the list, and takes 64 bytes there for each call of a kept child. */
void fc_exit_hooks_run_handlers_and_return(int status)
{
    (void)status;
    jmp_buf here;
    if (setjmp(here) == 0) {
        back = &here;
        __cxa_finalize(NULL);
    }
    back = NULL;
}
