#include "hazard.h"

#include <link.h>
#include <stddef.h>
#include <string.h>

/* Known to hang or to fail in a child of a process that has used them. */
static const char *const hostile[] = {
    "libgomp.so", "libgio-2.0.so", "libdispatch.so", "libtbb.so",     "libjvm.so", "libcuda.so",
    "libzmq.so",  "librdkafka.so", "libpulse.so",    "libsystemd.so", "libxcb.so", "libobjc.so",
};

static int look(struct dl_phdr_info *info, size_t size, void *found)
{
    (void)size;
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *name = slash != NULL ? slash + 1 : info->dlpi_name;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        const char *ending = strncmp(name, hostile[i], strlen(hostile[i])) == 0 ? name + strlen(hostile[i]) : NULL;
        if (ending != NULL && (*ending == '\0' || *ending == '.')) {
            *(bool *)found = true;
            return 1;
        }
    }
    return 0;
}

bool fc_has_hostile_library(void)
{
    bool found = false;
    dl_iterate_phdr(look, &found);
    return found;
}
