/* HOST: Copies that did not come to forkcall_init: why, and how often. */
#include "exec/exec_self.h"

#include "base/report_message.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>

/* So many in a row that ended by their own word, which the next would say again, are enough. */
#define ENOUGH 8

static atomic_int failures; /* in a row */
static atomic_int last;     /* enum fc_exec_self_exit; 0: none */

/* What a copy says by its exit status. NULL: nothing. */
static const char *word_of(int exit_status)
{
    switch (exit_status) {
    case FC_EXIT_WRAPPED:
        return "another program stands between this one and its copy (a wrapper, a tracer that executes it in a "
               "process of "
               "its own)";
    case FC_EXIT_PRIVILEGED:
        return "a copy of this program has other rights than this process (set-user-id, file capabilities, changed "
               "ids)";
    case FC_EXIT_REPLACED:
        return "the file of libforkcall, or of this program, was replaced while the program runs: restart the program";
    case FC_EXIT_NO_SOCKET:
        return "the copy of this program was cut off: something before forkcall_init() (a constructor, a preloaded "
               "library, "
               "a wrapper) closed or emptied its descriptor 3";
    case FC_EXIT_BEFORE_INIT:
        return "the copy of this program called the library before forkcall_init()";
    case FC_EXIT_REFUSED:
        return "the copy of this program could not take over what it was given (no memory, or no descriptors)";
    default:
        return NULL;
    }
}

static int error_of(int exit_status)
{
    return exit_status == FC_EXIT_REPLACED ? -ESTALE : exit_status == FC_EXIT_PRIVILEGED ? -EPERM : -ENOEXEC;
}

static void describe(int wait_status, char *why, size_t why_size)
{
    char number[32];
    const int status = WEXITSTATUS(wait_status);
    if (!WIFEXITED(wait_status))
        snprintf(why, why_size, "the copy of this program was killed by %s before it came to forkcall_init()",
                 fc_signal_name(WTERMSIG(wait_status), number));
    else if (status == 127)
        snprintf(why, why_size,
                 "a new process of this program was ended by the dynamic loader (exit status 127), which says why on "
                 "standard error: a library is missing or was changed");
    else
        snprintf(
            why, why_size,
            "the copy of this program ended with exit status %d before it came to forkcall_init(), which main() must "
            "reach whatever its arguments",
            status);
}

int fc_exec_self_failed(int wait_status, char *why, size_t why_size)
{
    const char *word = WIFEXITED(wait_status) ? word_of(WEXITSTATUS(wait_status)) : NULL;
    if (word == NULL) {
        describe(wait_status, why, why_size);
        return -ENOEXEC;
    }
    snprintf(why, why_size, "%s", word);
    if (WEXITSTATUS(wait_status) != FC_EXIT_REFUSED) { /* that may pass */
        atomic_store(&last, WEXITSTATUS(wait_status));
        atomic_fetch_add(&failures, 1);
    }
    return error_of(WEXITSTATUS(wait_status));
}

bool fc_exec_self_error_is_told(int error)
{
    return error == -ENOEXEC || error == -ESTALE;
}

void fc_exec_self_served(void)
{
    if (atomic_load(&failures) != 0)
        atomic_store(&failures, 0);
}

int fc_exec_self_gave_up(const char **why)
{
    if (atomic_load(&failures) < ENOUGH)
        return 0;
    const int exit_status = atomic_load(&last);
    *why = word_of(exit_status);
    return error_of(exit_status);
}
