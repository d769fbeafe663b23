/* atexit(3) is all there is: it sees the exit, not the status. */
#include "exit_guard.h"

#include "config.h"

#include <stdlib.h>

static void handler(void)
{
    fc_child_exited_unknown();
}

int fc_exit_guard_prepare(struct fc_exit_guard *guard)
{
    (void)guard;
    return 0;
}

void fc_exit_guard_release(struct fc_exit_guard *guard)
{
    (void)guard;
}

void fc_exit_guard_arm(bool threaded)
{
    (void)threaded;
    atexit(handler);
#ifdef HAVE_AT_QUICK_EXIT
    at_quick_exit(handler);
#endif
}
