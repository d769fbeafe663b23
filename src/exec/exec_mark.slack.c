/* ANY: Linux: The mark is the slack of timers (prctl(2), PR_SET_TIMERSLACK), a number of
 * nanoseconds. A child begins with the slack of the thread that made it, exec keeps it, and no
 * wrapper changes it. The last three digits are the mark: they change timers, which usually may be
 * late by 50 microseconds, by less than one. */
#include "exec/exec_mark.h"

#include <sys/prctl.h>

#define UNIT 1000
#define MARK 873

static unsigned long marked(unsigned long slack)
{
    return slack / UNIT * UNIT + MARK;
}

unsigned long fc_exec_mark_begin(sigset_t *mask)
{
    const int slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    sigemptyset(mask);
    if (slack <= 0) /* a thread with a real-time policy has no slack */
        return 0;
    return prctl(PR_SET_TIMERSLACK, marked((unsigned long)slack), 0, 0, 0) == 0 ? (unsigned long)slack : 0;
}

void fc_exec_mark_end(unsigned long before)
{
    if (before != 0)
        prctl(PR_SET_TIMERSLACK, before, 0, 0, 0);
}

bool fc_exec_mark_take(void)
{
    const int slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    if (slack <= 0 || slack % UNIT != MARK)
        return false;
    /* 0 would restore the slack that the process began with. */
    prctl(PR_SET_TIMERSLACK, slack > MARK ? (unsigned long)(slack - MARK) : 1UL, 0, 0, 0);
    return true;
}
