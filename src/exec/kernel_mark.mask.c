/* ANY: The set of signals that are blocked when the program begins: no program is started with this
 * one by chance. Some shells unblock all.
 *
 * A constructor of this library unblocks them at once: the program's constructors, which come after
 * it, find none blocked, as promised for copies, nor does a thread that they start. Only libraries
 * whose constructors the loader runs before this one's find the set, which holds no signal that
 * anything is known to use. */
#include "exec/kernel_mark.h"

#include "config.h"

#include <pthread.h>
#include <stddef.h>

#ifdef SIGRTMAX

/* Above what libraries use, SIGRTMIN and the next few; below what valgrind and qemu-user keep for
 * themselves, the last. */
#define FIRST 41
#define LAST 60
static const int marked[] = {43, 44, 46, 49, 51, 52, 53, 58};

#else

/* Without real-time signals: such as are ignored by default, or of no meaning to a process that has
 * just begun. */
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

unsigned long fc_kernel_mark_begin(sigset_t *mask)
{
    make(mask);
    return 0;
}

void fc_kernel_mark_end(unsigned long before)
{
    (void)before;
}

/* Those between FIRST and LAST that are blocked are the marked ones; a constructor may have blocked
 * others. */
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

static bool was_branded; /* when this library was loaded */

/* Before the program's constructors also where this library is linked statically. */
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

/* Another instance of this library, in the program or a plugin, may have taken the mark before this
 * one. */
bool fc_kernel_mark_take(void)
{
    const bool branded = was_branded || take();
    was_branded = false;
    return branded;
}
