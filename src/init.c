#include "init.h"

#include "copy.h"
#include "library_id.h"
#include "process_name.h"
#include "report.h"
#include "serve.h"
#include "spare.h"

#include <errno.h>
#include <stdatomic.h>

static atomic_bool initialised, is_copy;

void forkcall_init(void)
{
    enum fc_copy_role role;
    int socket;
    if (atomic_load(&initialised))
        return;
    if (fc_copy_is_this(&role, &socket)) {
        atomic_store(&is_copy, true);
        atomic_store(&initialised, true); /* it may make copies of its own */
        fc_process_set_name(role == FC_COPY_SERVER ? "server" : "child");
        switch (role) {
        case FC_COPY_SPARE:
            fc_spare_main(socket);
        case FC_COPY_SERVER:
            fc_serve(socket);
        case FC_COPY_SPARE_OF_SERVER:
            fc_serve_as_spare(socket);
        }
    }
    if (fc_image_is_privileged())
        return;
    fc_image_path_note();
    (void)fc_library_id(); /* now, while no other thread can hold the loader's lock */
    fc_module_note_program();
    atomic_store(&initialised, true);
}

bool fc_init_was_called(void)
{
    return atomic_load(&initialised);
}

bool fc_init_is_in_copy(void)
{
    return atomic_load(&is_copy);
}

static void refuse(struct forkcall_call *call, int error, const char *why)
{
    fc_call_not_started(call, error, "method");
    fc_report_message(&call->report, "%s", why);
}

bool fc_init_allows(struct forkcall_call *call)
{
    if (fc_init_was_called())
        return true;
    refuse(call, fc_image_is_privileged() ? EPERM : ENOTSUP,
           fc_image_is_privileged()
               ? "method: SERVER and SPAWN are not for set-user-id programs, nor for those whose file has capabilities"
               : "method: SERVER and SPAWN need forkcall_init() as the first thing in this program's main()");
    return false;
}

bool fc_init_names(struct forkcall_call *call, struct fc_module_function *name)
{
    switch (-fc_module_name(call->report.fn, name)) {
    case 0:
        return true;
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
