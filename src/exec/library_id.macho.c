/* ANY: Mach-O: The identity of the module that holds this code. */
#include "exec/library_id.h"

#include <dlfcn.h>
#include <mach-o/loader.h>
#include <stdint.h>
#include <string.h>

static const char here; /* an address in the module that holds this code */

bool fc_library_module_id(struct fc_module_id *id)
{
    Dl_info info;
    if (dladdr(&here, &info) == 0 || info.dli_fbase == NULL)
        return false;
    const struct mach_header_64 *header = info.dli_fbase;
    const struct load_command *command = (const struct load_command *)(header + 1);
    for (uint32_t i = 0; i < header->ncmds; i++) {
        if (command->cmd == LC_UUID) {
            const struct uuid_command *uuid = (const struct uuid_command *)command;
            *id = (struct fc_module_id){.kind = FC_MODULE_ID_BUILD, .size = sizeof uuid->uuid};
            memcpy(id->bytes, uuid->uuid, sizeof uuid->uuid);
            return true;
        }
        command = (const struct load_command *)((const unsigned char *)command + command->cmdsize);
    }
    return false;
}
