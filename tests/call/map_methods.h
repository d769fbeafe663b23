/* Finds the start methods by which the tests of forkcall_map() run. */
#ifndef MAP_METHODS_H
#define MAP_METHODS_H

#include "support.h"

#include <errno.h>

static enum forkcall_method methods[4];
static size_t method_count;

/* Must be called first in main(): finds the methods that this system and this build of the library
 * have. */
static inline void find_methods(void)
{
    static const enum forkcall_method all[] = {FORKCALL_FORK, FORKCALL_SERVER, FORKCALL_SPAWN, FORKCALL_INLINE};
    forkcall_init();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct forkcall_options options = {.method = all[i], .allow_unsafe_fork = under_sanitizer()};
        const struct forkcall_report report = forkcall_run(child_returns_0, NULL, 0, NULL, &options);
        if (report.status == FORKCALL_NOT_STARTED && report.code == ENOTSUP)
            print_message("left out: %s\n", report.message);
        else
            methods[method_count++] = all[i];
    }
}

/* Teardown of the group of tests. */
static inline int stop_server(void **state)
{
    (void)state;
    return forkcall_server_stop() < 0 ? -1 : 0;
}

#endif
