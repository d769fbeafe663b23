/* ANY: pipe2(2). */
#include "base/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int fc_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
}
