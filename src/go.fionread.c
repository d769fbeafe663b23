/* Linux counts the bytes in a pipe at either end, also after the reader is gone (fs/pipe.c, pipe_ioctl). */
#include "go.h"

#include <sys/ioctl.h>

bool fc_go_tells(void)
{
    return true;
}

int fc_go_was_taken(int fd)
{
    int bytes = 0;
    if (ioctl(fd, FIONREAD, &bytes) < 0)
        return -1;
    return bytes == 0;
}
