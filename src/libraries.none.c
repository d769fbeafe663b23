#include "hazard.h"

bool fc_has_hostile_library(void)
{
    return false;
}

bool fc_has_hostile_mapping(void)
{
    return fc_has_hostile_library();
}
