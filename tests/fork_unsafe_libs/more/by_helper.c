/* Tests the library of a module by the helper, with default options, as in a plugin of a program
 * that has used the library itself: fork_unsafe_by_helper HELPER MODULE */
#include "more.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CALLS 5
#define PLENTY_MS 60000

static const struct unsafe_library *library;

/* 0: as expected; else it is told. */
static int call(const struct forkcall_options *options, enum forkcall_status status)
{
    int answer = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
    const struct forkcall_report report = forkcall_run(library->use, NULL, 0, &result, options);
    if (report.status == status && (status != FORKCALL_OK || answer == library->answer))
        return 0;
    fprintf(stderr, "%s by method %d: %s, %d: %s\n", library->name, (int)report.method,
            forkcall_status_name(report.status), answer, report.message);
    return 1;
}

static int test(const char *helper)
{
    const struct forkcall_options here = {.method = FORKCALL_INLINE};
    const struct forkcall_options by_default = {.timeout_ms = PLENTY_MS};
    const struct forkcall_options by_spawn = {.method = FORKCALL_SPAWN, .timeout_ms = PLENTY_MS};
    int wrong = call(&here, FORKCALL_OK);
    if (library->has_threads) /* by default a call forks, before there is a helper */
        wrong += call(&by_default, FORKCALL_UNSAFE);
    const int r = forkcall_use_helper(helper);
    if (r != 0) {
        fprintf(stderr, "forkcall_use_helper: %d\n", r);
        return 1;
    }
    for (int i = 0; i < CALLS; i++)
        wrong += call(&by_default, FORKCALL_OK);
    wrong += call(&by_spawn, FORKCALL_OK);
    wrong += call(&here, FORKCALL_OK);
    return wrong + (forkcall_server_stop() != 0);
}

/* Ends without the exit handlers of libraries that wait for their threads. */
int main(int argc, char **argv)
{
    char *helper = argc > 2 ? realpath(argv[1], NULL) : NULL;
    void *module = helper != NULL ? dlopen(argv[2], RTLD_NOW | RTLD_LOCAL) : NULL;
    library = module != NULL ? dlsym(module, "the_library") : NULL;
    _exit(library != NULL && test(helper) == 0 ? 0 : 1);
}
