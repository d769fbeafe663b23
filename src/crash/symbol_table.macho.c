/* HOST: Mach-O: dladdr(3) reads the whole symbol table itself.
 *
 * SPDX-License-Identifier: MIT */
#include "crash/symbol.h"

bool fc_symbol_find_in_file(uint64_t address, struct fc_symbol *symbol)
{
    return fc_symbol_find_exported(address, symbol);
}
