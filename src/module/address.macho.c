/* HOST: Images by dladdr() and the headers of Mach-O, for systems without dl_iterate_phdr().
 *
 * SPDX-License-Identifier: MIT */
#include "module/address.h"

#include <dlfcn.h>
#include <mach-o/loader.h>
#include <mach/vm_prot.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The segment that holds address, and how far the image was moved from where it was linked. */
static const struct segment_command_64 *find_segment(const struct mach_header_64 *header, uintptr_t address,
                                                     uintptr_t *bias)
{
    const unsigned char *command = (const unsigned char *)(header + 1);
    const struct segment_command_64 *found = NULL;
    uintptr_t linked_at = 0;
    for (uint32_t i = 0; i < header->ncmds; i++, command += ((const struct load_command *)command)->cmdsize) {
        const struct segment_command_64 *segment = (const struct segment_command_64 *)command;
        if (segment->cmd == LC_SEGMENT_64 && strncmp(segment->segname, "__TEXT", sizeof segment->segname) == 0)
            linked_at = (uintptr_t)segment->vmaddr;
    }
    *bias = (uintptr_t)header - linked_at;
    command = (const unsigned char *)(header + 1);
    for (uint32_t i = 0; i < header->ncmds; i++, command += ((const struct load_command *)command)->cmdsize) {
        const struct segment_command_64 *segment = (const struct segment_command_64 *)command;
        if (segment->cmd == LC_SEGMENT_64 && address - *bias - segment->vmaddr < segment->vmsize)
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

/* The system ends a process that reads a page of a file that was changed. */
bool fc_address_can_be_asked(uint64_t address)
{
    (void)address;
    return true;
}

/* The compact unwind tables would tell; not worth it for a hint. */
uint64_t fc_address_function_start(uint64_t address)
{
    (void)address;
    return 0;
}
