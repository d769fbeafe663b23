/* A plugin for a program that knows nothing of it: functions that run in forkcall-helper. The
 * program finds them by their names, and a static one through static_function(). */
#include <forkcall.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

forkcall_fn twice, crashes, hangs, prepares, tells_prepared, *static_function(void);

int twice(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int number;
    if (args_size != sizeof number)
        return 1;
    memcpy(&number, args, sizeof number);
    number *= 2;
    return forkcall_buf_append(result, &number, sizeof number);
}

static int thrice(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int number = 3 * *(const int *)args;
    (void)args_size;
    return forkcall_buf_append(result, &number, sizeof number);
}

forkcall_fn *static_function(void)
{
    return thrice;
}

int crashes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    abort();
}

int hangs(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    for (;;)
        pause();
    return args == NULL;
}

static int prepared;

int prepares(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args_size;
    (void)result;
    prepared = *(const int *)args;
    return 0;
}

int tells_prepared(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    return forkcall_buf_append(result, &prepared, sizeof prepared);
}

#ifdef USE_HELPER_AT_LOAD
__attribute__((constructor)) static void use_helper_at_load(void)
{
    (void)forkcall_use_helper("/bin/sh");
}
#endif

#ifdef NEED_THE_PROGRAM
extern int only_in_the_program(void);
extern forkcall_fn asks_the_program;

int asks_the_program(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return only_in_the_program();
}
#endif
