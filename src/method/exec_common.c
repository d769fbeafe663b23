/* HOST: What SERVER and SPAWN both need: that forkcall_init() was called, and a function that
 * another process can find. */
#include "method/exec_common.h"

#include "base/report_message.h"
#include "call/options.h"
#include "exec/exec_self.h"
#include "exec/helper.h"

#include <errno.h>

static void refuse(struct forkcall_call *call, int error, const char *why)
{
    fc_call_not_started(call, error, "method");
    fc_report_message(&call->report, "%s", why);
    fc_options_blame_environment(&call->options, &call->report);
}

bool fc_exec_is_allowed(struct forkcall_call *call)
{
    if (fc_exec_self_is_possible())
        return true;
    refuse(call, fc_executable_is_privileged() ? EPERM : ENOTSUP,
           fc_executable_is_privileged()
               ? "method: SERVER and SPAWN are not for set-user-id programs, nor for those whose file has capabilities"
               : "method: SERVER and SPAWN need forkcall_init() as the first thing in this program's main(), or "
                 "forkcall_use_helper() in a plugin");
    return false;
}

bool fc_exec_name_function(struct forkcall_call *call, struct fc_module_function *name)
{
    switch (-fc_exec_self_name_function(call->task.fn, name)) {
    case 0:
        return true;
    case ENOTSUP:
        refuse(call, ENOTSUP,
               "fn: lies in the program itself, which forkcall-helper does not have: put fn into a shared library, or "
               "call forkcall_init() first thing in main()");
        return false;
    case ENAMETOOLONG:
        refuse(call, ENAMETOOLONG, "fn: the path of its module is too long");
        return false;
    case EXDEV:
        refuse(call, EXDEV,
               "fn: lies in a namespace of dlmopen(3), which no other process has: only FORKCALL_FORK can call it");
        return false;
    case ESTALE:
        refuse(call, ESTALE,
               "fn: the file of its module was deleted, replaced or cut short, and nothing else tells its build");
        return false;
    default:
        refuse(call, ENOENT, "fn: lies in no program, library or plugin, so that no other process can find it");
        return false;
    }
}
