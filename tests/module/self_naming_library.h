/* A library, and a plugin, that tell which file they were loaded from. */
#ifndef SELF_NAMING_LIBRARY_H
#define SELF_NAMING_LIBRARY_H

#include <forkcall.h>

struct which {
    int version;    /* version of the code */
    char path[512]; /* the module's path as the loader tells it */
};

/* Tells which module this function lies in. The result is a struct which. */
int tell_which(const void *args, size_t args_size, struct forkcall_buf *result);

/* Makes a call inside the plugin that is loaded into a namespace. explanation has room for size
 * bytes. */
typedef struct forkcall_report namespace_call(enum forkcall_method method, bool crash, char *explanation, size_t size);
namespace_call call_in_namespace;

#endif
