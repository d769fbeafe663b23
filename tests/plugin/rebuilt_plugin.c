/* A plugin of which there are two builds. Its function tells which build it is. */
#include <forkcall.h>

/* The function is static, as a plugin's functions often are, so it is found by its place in the
 * file. */
static int child_tells_its_build(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int build = BUILD;
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &build, sizeof build);
}

forkcall_fn *function_of_plugin(void);
forkcall_fn *function_of_plugin(void)
{
    return child_tells_its_build;
}
