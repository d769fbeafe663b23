/* HOST: Reads a file that cannot block. */
#include "base/small_file.h"

#include "base/descriptors.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdlib.h>
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

/* Reads what is left; NULL: see fc_whole_file_read. */
static char *read_all(int fd)
{
    char *text = NULL;
    size_t size = 0;
    for (size_t room = 4096; room <= FC_WHOLE_FILE_MAX; room *= 2) {
        char *larger = realloc(text, room);
        if (larger == NULL)
            break;
        text = larger;
        ssize_t n = 1;
        while (size < room - 1 && (n = fc_read(fd, text + size, room - 1 - size)) > 0)
            size += (size_t)n;
        if (n < 0)
            break;
        text[size] = '\0';
        if (n == 0)
            return text;
    }
    free(text);
    return NULL;
}

char *fc_whole_file_read(const char *path)
{
    char *text = NULL;
    fc_fds_lock();
    const int fd = fc_fd_above_streams(open(path, O_RDONLY | O_CLOEXEC));
    if (fd >= 0) {
        text = read_all(fd);
        close(fd);
    }
    fc_fds_unlock();
    return text;
}
