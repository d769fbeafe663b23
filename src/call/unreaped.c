/* HOST: The list of killed children whose end has not been seen. */
#include "call/unreaped.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct orphan {
    struct orphan *next;
    pid_t parent; /* a child of the host inherits the list, and not the children */
    struct fc_process process;
    struct fc_fds fds;
};

static _Atomic(struct orphan *) orphans;
/* Whoever finds it taken has nothing to do here. Not a mutex: a fork may come at any time. */
static atomic_flag reaping = ATOMIC_FLAG_INIT;

static void push(struct orphan *orphan)
{
    orphan->next = atomic_load(&orphans);
    while (!atomic_compare_exchange_weak(&orphans, &orphan->next, orphan)) {
    }
}

void fc_orphans_add(const struct fc_process *process, struct fc_fds *fds)
{
    struct orphan *orphan = calloc(1, sizeof *orphan);
    if (orphan == NULL)
        return; /* no memory: the zombie stays until the host's end */
    if (fc_fds_open(&orphan->fds) < 0) {
        free(orphan);
        return;
    }
    orphan->parent = getpid();
    orphan->process = *process;
    fc_fds_lock();
    orphan->fds.fd[FC_FD_PROCESS] = fds->fd[FC_FD_PROCESS];
    fds->fd[FC_FD_PROCESS] = -1;
    fc_fds_unlock();
    fc_fds_remember(&orphan->fds, FC_FD_PROCESS, FC_FD_PROCESS + 1);
    fc_fds_expire(&orphan->fds); /* from now on the host may do what it likes between two looks */
    push(orphan);
}

void fc_orphans_reap(void)
{
    if (atomic_load_explicit(&orphans, memory_order_relaxed) == NULL || atomic_flag_test_and_set(&reaping))
        return;
    struct orphan *all = atomic_exchange(&orphans, NULL);
    while (all != NULL) {
        struct orphan *orphan = all;
        struct fc_ending ending;
        all = all->next;
        const bool ours = orphan->parent == getpid();
        if (ours && !fc_fds_has(&orphan->fds, FC_FD_PROCESS))
            orphan->process.fd = -1; /* its number is its own until it is reaped */
        if (ours && !fc_process_has_ended(&orphan->process, &ending)) {
            push(orphan);
            continue;
        }
        if (ours)
            fc_fds_close_all(&orphan->fds); /* else they were closed at the fork */
        free(orphan);
    }
    atomic_flag_clear(&reaping);
}
