/* CHILD: exit() with atexit(3) alone, whose handlers see the exit, not the status. */
#include "child/exit_hooks.h"

#include "config.h"

#include <stddef.h>
#include <stdlib.h>

static void handler(void)
{
    fc_child_handlers_have_run();
}

#ifdef HAVE_AT_QUICK_EXIT
static void on_quick_exit(void)
{
    fc_child_exited_unknown();
}
#endif

int fc_exit_hooks_prepare(struct fc_exit_hooks *guard)
{
    (void)guard;
    return 0;
}

void fc_exit_hooks_release(struct fc_exit_hooks *guard)
{
    (void)guard;
}

void fc_exit_hooks_install(bool threaded)
{
    (void)threaded;
    atexit(handler);
#ifdef HAVE_AT_QUICK_EXIT
    at_quick_exit(on_quick_exit);
#endif
}

/* Registers a second handler, because a thread of the function may be in exit() when the function
 * returns: each of the two runs one. */
bool fc_exit_hooks_install_at_return(void)
{
    return atexit(handler) == 0;
}

#ifdef HAVE_CXA_FINALIZE
extern void __cxa_finalize(void *dso); /* NULL: runs the handlers of all */
#endif

/* Runs the handlers by __cxa_finalize() if there is one. exit() would first destroy the thread's
 * C++ objects, and among them those that the program has made before the call. musl has no
 * __cxa_finalize() that does anything, and its exit() destroys no such objects. */
void fc_exit_hooks_run_handlers(int status)
{
#ifdef HAVE_CXA_FINALIZE
    __cxa_finalize(NULL);
#endif
    exit(status); // NOLINT(concurrency-mt-unsafe): the process ends here
}

/* No child is kept where exit() is the only way to run the handlers (child/fitness.none.c). */
void fc_exit_hooks_run_handlers_and_return(int status)
{
    fc_exit_hooks_run_handlers(status);
}
