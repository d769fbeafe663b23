/* HOST: forkcall_use_helper: an installed program in place of a copy of this one. */
#include "exec/exec_self.h"
#include "exec/helper.h"
#include "exec/library_id.h"

#include <errno.h>

static int use_helper(const char *path)
{
    bool changed;
    /* A constructor of a plugin, in an instance of the program or in the helper itself. */
    if (fc_exec_self_is_unfinished())
        return 0;
    if (fc_executable_is_privileged())
        return -EPERM;
    if (fc_exec_self_is_started_by_helper())
        return -ENOEXEC;
    const int r = fc_helper_use(path, &changed);
    if (r < 0 || !changed || !fc_helper_is_used())
        return r;
    fc_exec_self_served();         /* failures of another helper do not count */
    (void)fc_library_id();         /* now, so that the first call takes no lock for it */
    return forkcall_server_stop(); /* a server of another helper must not serve the next call */
}

int forkcall_use_helper(const char *path)
{
    const int error = errno;
    const int r = use_helper(path);
    errno = error;
    return r;
}
