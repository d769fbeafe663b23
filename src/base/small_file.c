/* HOST: Reads a file that cannot block. */
#include "base/small_file.h"

#include "base/descriptors.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Reads as much as there is room for. -1: the file cannot be read. */
static ssize_t read_start(const char *path, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n = -1;
    fc_fds_lock();
    const int fd = fc_fd_above_streams(open(path, O_RDONLY | O_CLOEXEC));
    if (fd >= 0) {
        while (used < size && (n = fc_read(fd, text + used, size - used)) > 0)
            used += (size_t)n;
        close(fd);
    }
    fc_fds_unlock();
    return n < 0 ? -1 : (ssize_t)used;
}

bool fc_small_file_read(const char *path, char *text, size_t size)
{
    const ssize_t n = read_start(path, text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* No memory of the heap is asked for under the lock of descriptors: a thread that forks may hold
 * the lock of the heap and wait for this one. The memory is zeroed, because a sanitizer of memory
 * does not see what this library writes into it. */
char *fc_whole_file_read(const char *path)
{
    for (size_t size = 4096; size <= FC_WHOLE_FILE_MAX; size *= 2) {
        char *text = calloc(1, size);
        const ssize_t n = text != NULL ? read_start(path, text, size) : -1;
        if (n >= 0 && (size_t)n < size)
            return text;
        free(text);
        if (n < 0)
            break;
    }
    return NULL;
}
