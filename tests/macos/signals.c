/* A library for LD_PRELOAD that imposes on Linux what XNU does with signals.
 *
 * 1. An ordinary signal does not tell who has sent it or why: si_code is 0 for a signal of
 *    kill(2), for the kernel's own SIGIO, and for a trap (SIGTRAP, SIGABRT, SIGSYS). Only a fault
 *    (SIGSEGV, SIGBUS, SIGFPE, SIGILL) and SIGCHLD have a code.
 *    XNU: bsd/kern/kern_sig.c 2318-2336, "si_code is 0 because this is an ordinary signal"; SIGIO
 *    of a pipe: bsd/kern/sys_pipe.c 720.
 * 2. The default action of SIGIO is to ignore it (sigaction(2) of macOS, "discard signal"); Linux
 *    ends the process.
 *
 * SPDX-License-Identifier: MIT */
#include "preload.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>

typedef void action_fn(int, siginfo_t *, void *);

static next_address next_sigaction;
static _Atomic(action_fn *) actions[NSIG];
static atomic_bool io_is_ignored_by_us;

static bool has_code(int number, int si_code)
{
    switch (number) {
    case SIGCHLD:
        return true;
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
        return si_code > 0;
    default:
        return false;
    }
}

static void deliver(int number, siginfo_t *info, void *context)
{
    siginfo_t as_xnu = *info;
    if (!has_code(number, info->si_code))
        as_xnu.si_code = 0;
    atomic_load (&actions[number])(number, &as_xnu, context);
}

int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    if (number <= 0 || number >= NSIG)
        return NEXT(sigaction)(number, action, old);
    action_fn *const old_action = atomic_load(&actions[number]);
    const bool was_ignored_by_us = number == SIGIO && atomic_load(&io_is_ignored_by_us);
    struct sigaction changed;
    if (action != NULL) {
        changed = *action;
        const bool wants_info = (action->sa_flags & SA_SIGINFO) != 0;
        if (wants_info) {
            atomic_store(&actions[number], action->sa_sigaction);
            changed.sa_sigaction = deliver;
        }
        const bool is_io_default = number == SIGIO && !wants_info && action->sa_handler == SIG_DFL;
        if (is_io_default)
            changed.sa_handler = SIG_IGN;
        if (number == SIGIO)
            atomic_store(&io_is_ignored_by_us, is_io_default);
    }
    const int r = NEXT(sigaction)(number, action != NULL ? &changed : NULL, old);
    if (r == 0 && old != NULL && (old->sa_flags & SA_SIGINFO) != 0 && old->sa_sigaction == deliver)
        old->sa_sigaction = old_action;
    else if (r == 0 && old != NULL && was_ignored_by_us && old->sa_handler == SIG_IGN)
        old->sa_handler = SIG_DFL;
    return r;
}

void (*signal(int number, void (*handler)(int)))(int)
{
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    return sigaction(number, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

/* Runs in a new program: posix_spawn(3) may have reset SIGIO to the default of Linux. */
__attribute__((constructor)) static void ignore_io(void)
{
    struct sigaction action;
    if (NEXT(sigaction)(SIGIO, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
        (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)) {
        action.sa_handler = SIG_DFL;
        sigaction(SIGIO, &action, NULL);
    }
}
