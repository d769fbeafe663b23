/* HOST: Mach-O: Finds modules by dladdr() and their headers.
 *
 * SPDX-License-Identifier: MIT */
#include "module/address.h"

#include "module/macho.h"

#include <dlfcn.h>
#include <mach/vm_prot.h>
#include <stdio.h>

/* Finds the segment that holds the address, and how far the module was moved from where it was
 * linked. */
static const struct segment_command_64 *find_segment(const struct mach_header_64 *header, uintptr_t address,
                                                     uintptr_t *bias)
{
    const struct segment_command_64 *text = fc_macho_text(header);
    const struct segment_command_64 *found = NULL;
    const struct load_command *command = fc_macho_first(header);
    *bias = (uintptr_t)header - (text != NULL ? (uintptr_t)text->vmaddr : 0);
    for (uint32_t i = 0; i < header->ncmds; i++, command = fc_macho_next(command)) {
        const struct segment_command_64 *segment = fc_macho_segment(command);
        if (segment != NULL && address - *bias - segment->vmaddr < segment->vmsize)
            found = segment;
    }
    return found;
}

static const struct segment_command_64 *find(uint64_t address, uintptr_t *bias, Dl_info *info)
{
    if (address == 0 || address > UINTPTR_MAX || dladdr((const void *)(uintptr_t)address, info) == 0 ||
        info->dli_fbase == NULL)
        return NULL;
    const struct mach_header_64 *header = info->dli_fbase;
    return header->magic == MH_MAGIC_64 ? find_segment(header, (uintptr_t)address, bias) : NULL;
}

bool fc_address_find_module(uint64_t address, struct fc_module_at *module)
{
    uintptr_t bias = 0;
    Dl_info info;
    if (find(address, &bias, &info) == NULL)
        return false;
    module->bias = bias;
    (void)snprintf(module->path, sizeof module->path, "%s", info.dli_fname != NULL ? info.dli_fname : "[unnamed]");
    for (char *c = module->path; *c != 0; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return true;
}

bool fc_address_is_code(uint64_t address)
{
    uintptr_t bias = 0;
    Dl_info info;
    const struct segment_command_64 *segment = find(address, &bias, &info);
    return segment != NULL && (segment->initprot & VM_PROT_EXECUTE) != 0;
}

bool fc_address_is_return_address(uint64_t address)
{
    return fc_address_is_code(address);
}

/* macOS ends a process that reads a page of a changed file, and there is no way to ask before. */
bool fc_address_can_be_asked(uint64_t address)
{
    (void)address;
    return true;
}

/* The compact unwind tables would tell, but only one guessed frame needs this. */
uint64_t fc_address_function_start(uint64_t address)
{
    (void)address;
    return 0;
}
