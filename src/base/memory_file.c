/* ANY: Files in memory, also where the system allows none that can be executed. */
#include "base/memory_file.h"

#include <errno.h>
#include <sys/mman.h>

/* Linux 6.3. Before, the flag is an error. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

int fc_memory_file_open(const char *name, unsigned flags)
{
    int fd = memfd_create(name, flags);
    /* Where vm.memfd_noexec is 2, a file must say that it cannot be executed. */
    if (fd < 0 && errno == EACCES)
        fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
    return fd < 0 ? -errno : fd;
}
