/* CHILD: Tells handlers of a sanitizer from the program's own, by what was there at load. */
#include "child/tool_handlers.h"

#include "base/tools.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNALS_MAX 32 /* those of crashes are below */

typedef void handler_fn(int signal, siginfo_t *info, void *context);

static uint32_t handled; /* a bit for each signal */
static handler_fn *handlers[SIGNALS_MAX];

/* NULL: there is none. */
static handler_fn *handler_of(int signal)
{
    struct sigaction action;
    if (sigaction(signal, NULL, &action) < 0 || (action.sa_flags & SA_SIGINFO) == 0)
        return NULL;
    return action.sa_sigaction;
}

/* A sanitizer installs its handlers before constructors run, and the program's code comes later. */
__attribute__((constructor)) static void note_handlers(void)
{
    if ((fc_tools() & FC_TOOLS_SANITIZERS) == 0)
        return;
    for (int signal = 1; signal < SIGNALS_MAX; signal++) {
        handlers[signal] = handler_of(signal);
        if (handlers[signal] != NULL)
            handled |= (uint32_t)1 << signal;
    }
}

bool fc_tool_has_signal(int signal)
{
    return signal < SIGNALS_MAX && (handled >> signal & 1) != 0 && handler_of(signal) == handlers[signal];
}
