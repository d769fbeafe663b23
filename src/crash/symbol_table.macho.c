/* HOST: Mach-O: Reads no file, because dladdr(3) itself knows the whole symbol table.
 *
 * SPDX-License-Identifier: MIT */
#include "crash/symbol.h"

void fc_symbols_find_named(const char *const *names, size_t count, void (*found)(size_t name, uint64_t address))
{
    (void)names;
    (void)count;
    (void)found;
}

bool fc_symbol_find_in_file(uint64_t address, struct fc_symbol *symbol)
{
    (void)address;
    (void)symbol;
    return false;
}
