/* HOST: Finds symbols by libdw: static functions from the symbol table, lines from the debug
 * information in the files themselves.
 *
 * SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/path.h"
#include "crash/libdw.h"
#include "crash/symbol.h"

#include <stdio.h>
#include <string.h>

static void find_line(Dwfl_Module *module, uint64_t address, struct fc_symbol *symbol)
{
    Dwfl_Line *line = dwfl_module_getsrc(module, address);
    int number = 0;
    const char *file = line == NULL ? NULL : dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL);
    if (file == NULL)
        return;
    (void)snprintf(symbol->file, sizeof symbol->file, "%s", fc_path_last_part(file));
    symbol->line = number;
}

static bool find(Dwfl *dwfl, uint64_t address, struct fc_symbol *symbol)
{
    Dwfl_Module *module = dwfl_addrmodule(dwfl, address);
    GElf_Off offset = 0;
    GElf_Sym entry;
    if (module == NULL)
        return false;
    const char *name = dwfl_module_addrinfo(module, address, &offset, &entry, NULL, NULL, NULL);
    if (name == NULL || name[0] == 0)
        return false;
    *symbol = (struct fc_symbol){.start = address - offset};
    (void)snprintf(symbol->name, sizeof symbol->name, "%s", name);
    find_line(module, address, symbol);
    return true;
}

bool fc_symbol_find(uint64_t address, struct fc_symbol *symbol)
{
    struct fc_libdw view;
    bool found = false;
    if (fc_libdw_open(&view) == 0) {
        found = find(view.dwfl, address, symbol);
        fc_libdw_close(&view);
    }
    return found || fc_symbol_find_exported(address, symbol);
}
