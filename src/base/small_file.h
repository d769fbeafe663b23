/* HOST: Reads a file that cannot block, as those of /proc. */
#ifndef FC_BASE_SMALL_FILE_H
#define FC_BASE_SMALL_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads the start of a file into a string of at most size - 1 bytes. The descriptor lives only
 * under the lock of descriptors, so that no child of another thread has it. False: nothing was
 * read. */
bool fc_small_file_read(const char *path, char *text, size_t size);

/* The same for a whole file, of at most FC_WHOLE_FILE_MAX bytes, as a string to be freed. NULL: it
 * cannot be read, or is larger, or there is no memory. */
char *fc_whole_file_read(const char *path);

#define FC_WHOLE_FILE_MAX ((size_t)16 << 20)

#endif
