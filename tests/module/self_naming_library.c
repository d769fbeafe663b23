/* A library that tells which file it was loaded from. Tests have several files of it: with other
 * code (VERSION) and the same build-id, or copies of one file. */
#include "self_naming_library.h"

#include <dlfcn.h>
#include <stdio.h>

/* The address of this variable leads to the file, because each loaded file has a variable of its
 * own. */
static int data;

int tell_which(const void *args, size_t args_size, struct forkcall_buf *result)
{
    struct which which = {.version = VERSION};
    Dl_info info;
    (void)args;
    (void)args_size;
    if (dladdr(&data, &info) == 0)
        return 1;
    snprintf(which.path, sizeof which.path, "%s", info.dli_fname);
    return forkcall_buf_append(result, &which, sizeof which);
}
