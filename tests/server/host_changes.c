/* Checks that the next child has what its host has after a change of the host. */
#include "host_changes.h"

#include "process_attributes.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void *sit(void *unused)
{
    for (;;)
        pause();
    return unused;
}

/* An exec takes some attributes away: having fewer of these counts as having the same. */
static bool has_no_more(struct state *here, const struct state *there)
{
    for (size_t i = 0; i < sizeof here->capabilities / sizeof *here->capabilities; i++)
        if ((there->capabilities[i] & ~here->capabilities[i]) != 0)
            return false;
    memcpy(here->capabilities, there->capabilities, sizeof here->capabilities);
    if (there->saved_uid == here->euid)
        here->saved_uid = here->euid;
    return true;
}

static bool child_is_like_host(enum forkcall_method method, bool exec_loses)
{
    struct state here, there;
    state_fill(&here);
    return ask(method, child_tells_state, NULL, 0, &there, sizeof there) &&
           (!exec_loses || has_no_more(&here, &there)) && state_is(&here, &there);
}

bool child_has_what_the_host_has(enum forkcall_method method)
{
    return child_is_like_host(method, false);
}

int check_change(void *context)
{
    const struct change *change = context;
    pthread_t thread;
    if (change->threaded)
        CHECK(pthread_create(&thread, NULL, sit, NULL) == 0);
    CHECK(child_is_like_host(FORKCALL_SERVER, change->loses_from_the_start));
    int before = server_pid();
    CHECK(before > 0);
    CHECK(server_pid() == before); /* nothing has changed */
    const int r = change->make();
    if (r != 0)
        return r;
    CHECK(child_is_like_host(FORKCALL_SERVER, change->exec_loses));
    const int after = server_pid();
    CHECK(after > 0 && (after == before) == change->stays);
    CHECK(change->stays || wait_until(process_is_gone, &before));
    CHECK(server_pid() == after);
    CHECK(child_is_like_host(FORKCALL_SERVER, change->exec_loses));
    CHECK(child_is_like_host(FORKCALL_SPAWN, change->exec_loses));
    return 0;
}

int done(int r)
{
    return r == 0 ? 0 : errno == EPERM || errno == EINVAL || errno == ENOSYS || errno == EACCES ? NOT_HERE : 1;
}
