#include "report.h"

#include <signal.h>
#include <stdio.h>

#define NAME(signal)    \
    {                   \
        signal, #signal \
    }

/* sigabbrev_np(3) is glibc's alone. */
static const struct {
    int signal;
    const char *name;
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

static const char *segv_reason(int si_code)
{
    return si_code == SEGV_MAPERR ? "address not mapped" : si_code == SEGV_ACCERR ? "access not allowed" : NULL;
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
    if (si_code <= 0)
        return signal == SIGABRT ? NULL : "sent by a process";
    switch (signal) {
    case SIGSEGV:
        return segv_reason(si_code);
    case SIGBUS:
        return bus_reason(si_code);
    case SIGFPE:
        return fpe_reason(si_code);
    case SIGILL:
        return "illegal instruction";
    default:
        return NULL;
    }
}
