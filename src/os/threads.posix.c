/* ANY: POSIX has no way to ask for threads: the program must know itself whether it has some. */
#include "os/threads.h"

bool fc_may_have_other_threads(void)
{
    return fc_has_other_threads();
}

bool fc_has_other_threads(void)
{
    return false;
}

bool fc_other_threads_go_on(void)
{
    return fc_has_other_threads();
}

const char *fc_other_threads_in_words(void)
{
    return "other threads run, or have run, in this process";
}

bool fc_was_forked(void)
{
    return false;
}
