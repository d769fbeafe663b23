/* HOST: Reads a small file that cannot block. */
#include "base/small_file.h"

#include "base/descriptors.h"
#include "base/io.h"

#include <fcntl.h>
#include <unistd.h>

bool fc_small_file_read(const char *path, char *text, size_t size)
{
    ssize_t n = -1;
    fc_fds_lock();
    const int fd = fc_fd_above_streams(open(path, O_RDONLY | O_CLOEXEC));
    if (fd >= 0) {
        n = fc_read(fd, text, size - 1);
        close(fd);
    }
    fc_fds_unlock();
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}
