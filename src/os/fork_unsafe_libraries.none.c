/* HOST: For systems that do not tell which libraries are loaded. */
#include "os/fork_unsafe_libraries.h"

bool fc_has_hostile_library(bool waits)
{
    (void)waits;
    return false;
}
