/* A plugin with a static function, and a variable that counts the function's calls in one
 * process. */
#include <forkcall.h>

#include <stdio.h>

static int calls;

static int tells_itself(const void *args, size_t args_size, struct forkcall_buf *result)
{
    char text[64];
    const int n = snprintf(text, sizeof text, "plugin: %.*s, call %d", (int)args_size, (const char *)args, ++calls);
    return forkcall_buf_append(result, text, (size_t)n);
}

extern forkcall_fn *const plugin_function;
forkcall_fn *const plugin_function = tells_itself;
