/* HOST: Re-executed programs that did not reach forkcall_init(): why, and how often. */
#include "exec/exec_self.h"

#include "base/report_message.h"
#include "exec/helper.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>

/* After this many failures in a row whose reason the next would give again, no more is started. */
#define ENOUGH 8

static atomic_int failures; /* how many failures in a row */
static atomic_int last;     /* enum fc_exec_self_exit of the last failure; 0: none */

/* What the exit status of a re-executed program means; NULL: it is not one of enum
 * fc_exec_self_exit. */
static const char *word_of(int exit_status)
{
    switch (exit_status) {
    case FC_EXIT_WRAPPED:
        return "another program stands between this process and the re-executed program (a wrapper, or a tracer that "
               "starts it in a process of its own)";
    case FC_EXIT_PRIVILEGED:
        return "the re-executed program has other rights than this process (set-user-id, file capabilities, changed "
               "ids)";
    case FC_EXIT_REPLACED:
        if (fc_helper_is_used())
            return "forkcall-helper has another build of libforkcall than this process, which must use the shared "
                   "library that is installed with the helper";
        return "the file of libforkcall, or of this program, was replaced while the program runs: restart the program";
    case FC_EXIT_NO_SOCKET:
        return "the connection to the re-executed program was cut: something that ran before forkcall_init() (a "
               "constructor, a preloaded library, a wrapper) closed its descriptor 3 or read from it";
    case FC_EXIT_BEFORE_INIT:
        return "the re-executed program called the library before forkcall_init()";
    case FC_EXIT_REFUSED:
        return "the re-executed program could not take over what this process sent (no memory, or no free descriptor)";
    default:
        return NULL;
    }
}

static int error_of(int exit_status)
{
    return exit_status == FC_EXIT_REPLACED ? -ESTALE : exit_status == FC_EXIT_PRIVILEGED ? -EPERM : -ENOEXEC;
}

static void describe_helper(int wait_status, char *why, size_t why_size)
{
    char number[32];
    if (!WIFEXITED(wait_status))
        snprintf(why, why_size, "forkcall-helper was killed by %s before it was ready",
                 fc_signal_name(WTERMSIG(wait_status), number));
    else if (WEXITSTATUS(wait_status) == 127)
        snprintf(why, why_size,
                 "forkcall-helper was ended by the dynamic loader (exit status 127), which says why on standard error: "
                 "it does not find libforkcall, perhaps");
    else
        snprintf(why, why_size,
                 "the file that was given to forkcall_use_helper() is no forkcall-helper: it ended with exit status %d",
                 WEXITSTATUS(wait_status));
}

static void describe(int wait_status, char *why, size_t why_size)
{
    char number[32];
    const int status = WEXITSTATUS(wait_status);
    if (!WIFEXITED(wait_status))
        snprintf(why, why_size, "the re-executed program was killed by %s before it reached forkcall_init()",
                 fc_signal_name(WTERMSIG(wait_status), number));
    else if (status == 127)
        snprintf(why, why_size,
                 "the re-executed program was ended by the dynamic loader (exit status 127), which says why on "
                 "standard error: a library is missing or was changed");
    else
        snprintf(
            why, why_size,
            "the re-executed program ended with exit status %d before it reached forkcall_init(), which main() must "
            "reach whatever its arguments",
            status);
}

static const char *word_of_end(int wait_status)
{
    return WIFEXITED(wait_status) ? word_of(WEXITSTATUS(wait_status)) : NULL;
}

void fc_exec_self_describe_end(int wait_status, char *why, size_t why_size)
{
    const char *word = word_of_end(wait_status);
    if (word != NULL)
        snprintf(why, why_size, "%s", word);
    else if (fc_helper_is_used())
        describe_helper(wait_status, why, why_size);
    else
        describe(wait_status, why, why_size);
}

int fc_exec_self_error_of_end(int wait_status)
{
    return word_of_end(wait_status) != NULL ? -error_of(WEXITSTATUS(wait_status)) : ENOEXEC;
}

void fc_exec_self_failed(int wait_status)
{
    /* Want of memory or descriptors may pass. */
    if (word_of_end(wait_status) == NULL || WEXITSTATUS(wait_status) == FC_EXIT_REFUSED)
        return;
    atomic_store(&last, WEXITSTATUS(wait_status));
    atomic_fetch_add(&failures, 1);
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
