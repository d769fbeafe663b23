/* Tests the library of a module by each method: fork_unsafe_more MODULE */
#include "more.h"

#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    forkcall_init();
    void *module = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    const struct unsafe_library *unsafe = module != NULL ? dlsym(module, "the_library") : NULL;
    if (unsafe == NULL) {
        fprintf(stderr, "%s\n", dlerror()); // NOLINT(concurrency-mt-unsafe): it is each thread's own
        return 1;
    }
    return unsafe_library_main(unsafe);
}
