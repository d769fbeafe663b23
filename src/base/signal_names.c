/* ANY: Names of signals, and what si_code says about their cause. */
#include "base/report_message.h"

#include "config.h"

#include <signal.h>
#include <stdio.h>

#define NAME(signal)    \
    {                   \
        signal, #signal \
    }

/* Only glibc has sigabbrev_np(3). The names lie in the table, because a pointer to each would have
 * to be relocated in every process. */
static const struct {
    int signal;
    char name[12];
} names[] = {
    NAME(SIGHUP),    NAME(SIGINT),  NAME(SIGQUIT), NAME(SIGILL),    NAME(SIGTRAP), NAME(SIGABRT), NAME(SIGBUS),
    NAME(SIGFPE),    NAME(SIGKILL), NAME(SIGUSR1), NAME(SIGSEGV),   NAME(SIGUSR2), NAME(SIGPIPE), NAME(SIGALRM),
    NAME(SIGTERM),   NAME(SIGXCPU), NAME(SIGXFSZ), NAME(SIGVTALRM), NAME(SIGPROF), NAME(SIGIO),   NAME(SIGSYS),
#ifdef SIGSTKFLT
    NAME(SIGSTKFLT),
#endif
#ifdef SIGPWR
    NAME(SIGPWR),
#endif
};

const char *fc_signal_name(int signal, char buffer[32])
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].signal == signal)
            return names[i].name;
    snprintf(buffer, 32, "signal %d", signal);
    return buffer;
}

/* The codes that POSIX defines for any signal. Linux gives them values up to 0, other systems large
 * ones. */
static bool is_for_any_signal(int si_code)
{
    switch (si_code) {
    case SI_USER:
    case SI_QUEUE:
    case SI_TIMER:
#ifdef SI_ASYNCIO
    case SI_ASYNCIO:
#endif
#ifdef SI_MESGQ
    case SI_MESGQ:
#endif
#ifdef SI_LWP
    case SI_LWP:
#endif
        return true;
    default:
        return false;
    }
}

bool fc_signal_is_fault(int si_code)
{
    return si_code > 0 && !is_for_any_signal(si_code);
}

/* macOS gives 0 to every ordinary signal, whoever raised it, and to a trap (XNU,
 * bsd/kern/kern_sig.c 2318-2336); Linux calls the same value SI_USER. So nothing is said of a
 * sender if the kernel does not tell one. */
bool fc_signal_is_sent(int si_code)
{
#ifdef FC_SENDER_IS_TOLD
#ifdef SI_TKILL
    if (si_code == SI_TKILL)
        return true;
#endif
#ifdef SI_LWP
    if (si_code == SI_LWP)
        return true;
#endif
    return si_code == SI_USER || si_code == SI_QUEUE;
#else
    (void)si_code;
    return false;
#endif
}

static const char *segv_reason(int si_code)
{
    if (si_code == SEGV_MAPERR)
        return "address not mapped";
    if (si_code == SEGV_ACCERR)
        return "access not allowed";
#ifdef SI_KERNEL /* x86: a general protection fault, for which there is no address */
    if (si_code == SI_KERNEL)
        return "no valid address";
#endif
    return NULL;
}

static const char *bus_reason(int si_code)
{
    if (si_code == BUS_ADRALN)
        return "address not aligned";
    return si_code == BUS_ADRERR ? "no memory or file behind the address" : NULL;
}

static const char *fpe_reason(int si_code)
{
    if (si_code == FPE_INTDIV)
        return "integer division by zero";
    return si_code == FPE_INTOVF ? "integer overflow" : NULL;
}

const char *fc_signal_reason(int signal, int si_code)
{
    if (!fc_signal_is_fault(si_code))
        return NULL;
    switch (signal) {
    case SIGSEGV:
        return segv_reason(si_code);
    case SIGBUS:
        return bus_reason(si_code);
    case SIGFPE:
        return fpe_reason(si_code);
    case SIGILL:
        return "illegal instruction";
    case SIGTRAP:
        return "breakpoint or trap instruction";
    default:
        return NULL;
    }
}
