/* ANY: Paths. */
#ifndef FC_BASE_PATH_H
#define FC_BASE_PATH_H

#include <string.h>

/* The part of a path behind its last slash. Async-signal-safe. */
static inline const char *fc_path_last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

#endif
