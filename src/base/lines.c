/* ANY: Reads a text line by line without memory of malloc(3). */
#include "base/lines.h"

#include "base/io.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Hands over the whole lines at the start of the buffer, and moves the rest there. Returns the size
 * of the rest; -1: visit has had enough. */
static ssize_t hand_over(char *buffer, size_t size, bool *is_cut, bool (*visit)(char *line, void *arg), void *arg)
{
    char *line = buffer;
    char *const end = buffer + size;
    for (char *feed = memchr(line, '\n', size); feed != NULL; feed = memchr(line, '\n', (size_t)(end - line))) {
        *feed = 0;
        if (!*is_cut && !visit(line, arg))
            return -1;
        *is_cut = false;
        line = feed + 1;
    }
    memmove(buffer, line, (size_t)(end - line));
    return end - line;
}

bool fc_lines_read(const char *path, char *buffer, size_t size, bool (*visit)(char *line, void *arg), void *arg)
{
    const int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    bool is_cut = false; /* the buffer begins in the middle of a line that is left out */
    ssize_t have = 0;
    if (fd < 0)
        return false;
    while (have >= 0) {
        const ssize_t n = fc_read(fd, buffer + have, size - (size_t)have);
        if (n <= 0)
            break;
        have = hand_over(buffer, (size_t)(have + n), &is_cut, visit, arg);
        if (have == (ssize_t)size) {
            is_cut = true;
            have = 0;
        }
    }
    close(fd);
    return true;
}
