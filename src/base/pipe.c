/* ANY: Opens pipes whose ends are close-on-exec. Without pipe2(2) (macOS) this takes two steps. If
 * another thread of the host execs between them, its program inherits the pipe. */
#include "base/pipe.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#ifdef HAVE_PIPE2

int fc_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
}

#else

int fc_pipe(int ends[2])
{
    if (pipe(ends) < 0)
        return -errno;
    if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0)
        return 0;
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    return -error;
}

#endif
