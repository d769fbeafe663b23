#include "readable.h"

bool fc_is_readable(const void *address)
{
    return fc_is_mapped(address); /* a guard page passes: what follows is then a second fault, and no crash report */
}
