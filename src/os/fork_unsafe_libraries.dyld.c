/* HOST: By dyld's list of images. */
#include "os/fork_unsafe_libraries.h"

#include <dlfcn.h>
#include <stddef.h>

/* Known to refuse, to abort or to crash in a child of a process that has used them. libdispatch,
 * libxpc and libobjc come with every program and say nothing; whatever else uses Objective-C brings
 * CoreFoundation. */
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
