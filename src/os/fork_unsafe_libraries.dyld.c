/* HOST: macOS: Looks by dlopen(3), which finds a loaded library. */
#include "os/fork_unsafe_libraries.h"

#include <dlfcn.h>
#include <stddef.h>

/* Frameworks that are known to refuse, to abort or to crash in a forked child of a process that has
 * used them. libdispatch, libxpc and libobjc are loaded in every program, so they tell nothing.
 * Whatever else uses Objective-C loads CoreFoundation. */
static const char *const hostile[] = {
    "/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation",
    "/System/Library/Frameworks/Network.framework/Versions/A/Network",
    "/System/Library/Frameworks/AppKit.framework/Versions/C/AppKit",
};

bool fc_has_hostile_library(bool waits)
{
    (void)waits;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        void *library = dlopen(hostile[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library != NULL) {
            dlclose(library);
            return true;
        }
    }
    return false;
}
