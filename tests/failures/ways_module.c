/* Functions that load a module, which fails. */
#include "ways.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { loaded_module_line = 6 }; /* in failing_module.c */

/* The line of the call is that of the function that loads the module. */
NOINLINE static int enter_module(int n)
{
    int (*entry)(int) = NULL;
    void *module = dlopen(FAILING_MODULE, RTLD_NOW);
    void *symbol = module == NULL ? NULL : dlsym(module, "failing_module_entry");
    if (symbol == NULL)
        return forkcall_fail(1, "%s", dlerror()); // NOLINT(concurrency-mt-unsafe): one thread
    memcpy(&entry, &symbol, sizeof entry);
    return entry(n) + 1;
}

static int call_loaded_module(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)result;
    const int answer = enter_module((int)args_size);
    sink = sink + 1;
    return answer;
}

const struct way module_ways[] = {
    WAY(loaded_module, SIGNALED, "killed by SIGSEGV (address not mapped) at 0x0", NAMES | DIRECT | MODULE),
};
const unsigned module_way_count = COUNT_OF(module_ways);
