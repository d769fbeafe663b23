#include "go.h"

bool fc_go_tells(void)
{
    return false;
}

int fc_go_was_taken(int fd)
{
    (void)fd;
    return -1;
}
