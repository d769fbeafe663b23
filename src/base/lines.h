/* ANY: Reads a text line by line without memory of malloc(3). */
#ifndef FC_BASE_LINES_H
#define FC_BASE_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Opens a file of /proc or of a cgroup, and calls visit for each of its lines, without the line
 * feed, until visit returns false. visit may write into the line. A line that is longer than the
 * buffer is left out. False: the file cannot be opened. Async-signal-safe if visit is. */
bool fc_lines_read(const char *path, char *buffer, size_t size, bool (*visit)(char *line, void *arg), void *arg);

#endif
