/* ANY: POSIX has no way to ask: a program here must know itself whether it has threads. FreeBSD and
 * its kin do tell. */
#include "os/threads.h"

#include "config.h"

#ifdef HAVE_ISTHREADED
extern int __isthreaded; /* FreeBSD's libc: set by the first pthread_create */
#endif

bool fc_may_have_other_threads(void)
{
    return fc_has_other_threads();
}

bool fc_has_other_threads(void)
{
#ifdef HAVE_ISTHREADED
    return __isthreaded != 0;
#else
    return false;
#endif
}

const char *fc_other_threads_in_words(void)
{
    return "other threads run, or have run, in this process";
}

bool fc_is_forked_copy(void)
{
    return false;
}
