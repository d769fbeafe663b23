/* HOST: Linux counts the bytes in a pipe at either end, also after the reader is gone (fs/pipe.c,
 * pipe_ioctl). */
#include "os/start_gate.h"

#include <sys/ioctl.h>

bool fc_start_gate_tells(void)
{
    return true;
}

long fc_start_gate_left(int fd)
{
    int bytes = 0;
    return ioctl(fd, FIONREAD, &bytes) < 0 ? -1 : bytes;
}
