/* A plugin with its own copy of the library. A test loads both into a namespace of the loader. */
#include "self_naming_library.h"

#include <stdlib.h>

static int child_returns_5(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 5;
}

static int child_aborts(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    abort();
}

struct forkcall_report call_in_namespace(enum forkcall_method method, bool crash, char *explanation, size_t size)
{
    const struct forkcall_options options = {.method = method};
    forkcall_init();
    const struct forkcall_report report = forkcall_run(crash ? child_aborts : child_returns_5, NULL, 0, NULL, &options);
    (void)forkcall_explain(&report, explanation, size);
    return report;
}
