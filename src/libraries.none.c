#include "hazard.h"

bool fc_has_hostile_library(void)
{
    return false;
}
