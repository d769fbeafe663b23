#include "hazard.h"

#include <dlfcn.h>
#include <stddef.h>

/* Known to refuse, to abort or to crash in a child of a process that has used them. libdispatch, libxpc and CoreFoundation's
 * lower half come with every program and say nothing. */
static const char *const hostile[] = {
    "/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation",
    "/System/Library/Frameworks/Network.framework/Versions/A/Network",
    "/System/Library/Frameworks/AppKit.framework/Versions/C/AppKit",
    "/usr/lib/libobjc.A.dylib",
};

bool fc_has_hostile_library(void)
{
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        void *image = dlopen(hostile[i], RTLD_LAZY | RTLD_NOLOAD);
        if (image != NULL) {
            dlclose(image);
            return true;
        }
    }
    return false;
}
