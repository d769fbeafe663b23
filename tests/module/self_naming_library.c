/* A library of which there are several files: with other code (VERSION) and the same build-id, or
 * copies of one. */
#include "self_naming_library.h"

#include <dlfcn.h>
#include <stdio.h>

static int data; /* each file that is loaded has its own */

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
