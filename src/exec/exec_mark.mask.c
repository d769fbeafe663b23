/* ANY: The mark is the set of signals that are blocked when the program begins. No program is
 * started with this set by chance. Some shells unblock all signals.
 *
 * A constructor of this library unblocks them. The program's constructors run after it and find
 * none blocked, nor does a thread that they start. Only libraries whose constructors run before
 * this library's find the set, which holds no signal that anything is known to use. */
#include "exec/exec_mark.h"

#include "config.h"

#include <pthread.h>
#include <stddef.h>

#ifdef SIGRTMAX

/* Above SIGRTMIN and the next few, which libraries use, and below the last ones, which valgrind and
 * qemu-user keep for themselves. */
#define FIRST 41
#define LAST 60
static const int marked[] = {43, 44, 46, 49, 51, 52, 53, 58};

#else

/* For systems without real-time signals: signals that are ignored by default, or mean nothing to a
 * process that has just begun. */
#define FIRST 1
#define LAST 31
static const int marked[] = {SIGXFSZ, SIGVTALRM, SIGWINCH, SIGXCPU};

#endif

static void make(sigset_t *mask)
{
    sigemptyset(mask);
    for (size_t i = 0; i < sizeof marked / sizeof *marked; i++)
        sigaddset(mask, marked[i]);
}

unsigned long fc_exec_mark_begin(sigset_t *mask)
{
    make(mask);
    return 0;
}

void fc_exec_mark_end(unsigned long before)
{
    (void)before;
}

/* True: exactly the marked signals are blocked among those from FIRST to LAST. A constructor may
 * have blocked others. */
static bool take(void)
{
    sigset_t now, mark;
    make(&mark);
    if (pthread_sigmask(SIG_BLOCK, NULL, &now) != 0)
        return false;
    for (int i = FIRST; i <= LAST; i++)
        if (sigismember(&now, i) != sigismember(&mark, i))
            return false;
    return pthread_sigmask(SIG_UNBLOCK, &mark, NULL) == 0;
}

static bool was_branded; /* the mark was there when this library was loaded */

/* The priority lets this run before the program's constructors even if this library is linked
 * statically. */
#ifdef HAVE_CONSTRUCTOR_PRIORITY
__attribute__((constructor(101)))
#else
__attribute__((constructor))
#endif
static void
take_at_once(void)
{
    was_branded = take();
}

/* If another copy of this library, in the program or a plugin, has taken the mark before, it is not
 * found here. */
bool fc_exec_mark_take(void)
{
    const bool branded = was_branded || take();
    was_branded = false;
    return branded;
}
