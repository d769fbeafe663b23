/* HOST: Counts the bytes left in the go pipe. Linux tells that at either end, even after the reader
 * is gone (fs/pipe.c, pipe_ioctl). Other systems do not. */
#include "os/start_gate.h"

#include "config.h"

#ifdef HAVE_COUNT_OF_PIPE
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

#else

bool fc_start_gate_tells(void)
{
    return false;
}

long fc_start_gate_left(int fd)
{
    (void)fd;
    return -1;
}

#endif
