/* HOST: The list of killed children whose end has not been seen. */
#include "call/unreaped.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct unreaped {
    struct unreaped *next;
    pid_t parent; /* a child of the host inherits the list, and not the children */
    struct fc_process process;
    struct fc_fds fds;
};

static _Atomic(struct unreaped *) unreaped_list;
/* The fc_fds_generation() of the process of which a thread reaps; others go on without reaping. 0:
 * nobody reaps. A mutex would stay locked for ever in a process that is forked meanwhile. */
static atomic_uint reaper;

static bool begin_to_reap(void)
{
    const unsigned self = fc_fds_generation();
    unsigned seen = atomic_load(&reaper);
    return seen != self && atomic_compare_exchange_strong(&reaper, &seen, self);
}

static void push(struct unreaped *unreaped)
{
    unreaped->next = atomic_load(&unreaped_list);
    while (!atomic_compare_exchange_weak(&unreaped_list, &unreaped->next, unreaped)) {
    }
}

void fc_unreaped_add(const struct fc_process *process, struct fc_fds *fds)
{
    struct unreaped *unreaped = calloc(1, sizeof *unreaped);
    if (unreaped == NULL)
        return; /* without memory the zombie stays until the host ends */
    if (fc_fds_open(&unreaped->fds) < 0) {
        free(unreaped);
        return;
    }
    unreaped->parent = getpid();
    unreaped->process = *process;
    fc_fds_lock();
    unreaped->fds.fd[FC_FD_PROCESS] = fds->fd[FC_FD_PROCESS];
    fds->fd[FC_FD_PROCESS] = -1;
    fc_fds_unlock();
    fc_fds_remember(&unreaped->fds, FC_FD_PROCESS, FC_FD_PROCESS + 1);
    fc_fds_expire(&unreaped->fds); /* the host's code runs before the next look */
    push(unreaped);
}

void fc_unreaped_reap(void)
{
    if (atomic_load_explicit(&unreaped_list, memory_order_relaxed) == NULL || !begin_to_reap())
        return;
    struct unreaped *all = atomic_exchange(&unreaped_list, NULL);
    while (all != NULL) {
        struct unreaped *unreaped = all;
        struct fc_ending ending;
        all = all->next;
        const bool ours = unreaped->parent == getpid();
        if (ours && !fc_fds_has(&unreaped->fds, FC_FD_PROCESS))
            unreaped->process.fd = -1; /* the pid is not reused before the process is reaped */
        if (ours && !fc_process_has_ended(&unreaped->process, &ending)) {
            push(unreaped);
            continue;
        }
        if (ours)
            fc_fds_close_all(&unreaped->fds); /* in another process, the fork has closed them */
        free(unreaped);
    }
    atomic_store(&reaper, 0);
}
