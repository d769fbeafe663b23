/* ANY: Mach-O: The identity of the module that holds this code. */
#include "exec/library_id.h"

#include "module/macho.h"

#include <dlfcn.h>

static const char here; /* an address in the module that holds this code */

bool fc_library_module_id(struct fc_module_id *id)
{
    Dl_info info;
    if (dladdr(&here, &info) == 0 || info.dli_fbase == NULL)
        return false;
    const struct uuid_command *uuid = fc_macho_uuid(info.dli_fbase);
    if (uuid == NULL)
        return false;
    *id = (struct fc_module_id){.kind = FC_MODULE_ID_BUILD};
    fc_module_id_append(id, uuid->uuid, sizeof uuid->uuid);
    return true;
}
