/* HOST: Mach-O: Reads no file, because dladdr(3) itself knows the whole symbol table.
 *
 * SPDX-License-Identifier: MIT */
#include "crash/symbol.h"

bool fc_symbol_find_in_file(uint64_t address, struct fc_symbol *symbol)
{
    (void)address;
    (void)symbol;
    return false;
}
