#ifndef SELF_NAMING_LIBRARY_H
#define SELF_NAMING_LIBRARY_H

#include <forkcall.h>

struct which {
    int version;    /* of the code */
    char path[512]; /* as the loader calls the module */
};

/* Tells which module it lies in: the result is a struct which. */
int tell_which(const void *args, size_t args_size, struct forkcall_buf *result);

/* Of the plugin that is loaded into a namespace: a call there. explanation has size bytes. */
typedef struct forkcall_report namespace_call(enum forkcall_method method, bool crash, char *explanation, size_t size);
namespace_call call_in_namespace;

#endif
