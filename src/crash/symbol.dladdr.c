/* HOST: Finds symbols by dladdr(), and describes addresses.
 *
 * SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include "config.h"

#include "base/path.h"
#include "crash/symbol.h"
#include "module/address.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool fc_symbol_find_exported(uint64_t address, struct fc_symbol *symbol)
{
    Dl_info info;
    memset(&info, 0, sizeof info);
    const void *place = (const void *)(uintptr_t)address;
    if (!fc_address_can_be_asked(address) || dladdr(place, &info) == 0 || info.dli_sname == NULL ||
        info.dli_sname[0] == 0)
        return false;
    *symbol = (struct fc_symbol){.start = (uintptr_t)info.dli_saddr};
    (void)snprintf(symbol->name, sizeof symbol->name, "%s", info.dli_sname);
    return true;
}

#ifndef HAVE_LIBDW

bool fc_symbol_find(uint64_t address, struct fc_symbol *symbol)
{
    return fc_symbol_find_exported(address, symbol);
}

#endif

/* "x.so+0x1234". */
static int describe_offset(uint64_t address, const struct fc_module_at *module, char *text, size_t size)
{
    return snprintf(text, size, "%s+0x%" PRIx64, fc_path_last_part(module->path), address - module->bias);
}

int fc_symbol_describe(uint64_t address, bool is_return_address, char *text, size_t size)
{
    /* A call can be the last instruction of its function. Its return address then lies in the next
     * function. */
    const uint64_t inside = is_return_address && address > 0 ? address - 1 : address;
    struct fc_symbol symbol;
    struct fc_module_at module;
    if (!fc_address_find_module(inside, &module))
        return snprintf(text, size, "0x%" PRIx64, address);
    if (!fc_symbol_find(inside, &symbol))
        return describe_offset(address, &module, text, size);
    if (symbol.line > 0)
        return snprintf(text, size, "%s+0x%" PRIx64 " at %s:%d", symbol.name, address - symbol.start, symbol.file,
                        symbol.line);
    return snprintf(text, size, "%s+0x%" PRIx64 " (in %s)", symbol.name, address - symbol.start, module.path);
}

void fc_symbol_function_name(uint64_t address, char *text, size_t size)
{
    struct fc_symbol symbol;
    struct fc_module_at module;
    char place[FC_MODULE_AT_PATH_MAX + 32];
    /* A symbol that starts elsewhere belongs to a neighbour: the function's own is not known. */
    if (fc_symbol_find(address, &symbol) && symbol.start == address) {
        (void)snprintf(text, size, "%s", symbol.name);
        return;
    }
    if (fc_address_find_module(address, &module))
        (void)describe_offset(address, &module, place, sizeof place);
    else
        (void)snprintf(place, sizeof place, "0x%" PRIx64, address);
    (void)snprintf(text, size, "function at %s", place);
}
