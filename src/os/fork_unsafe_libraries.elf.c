/* HOST: Looks by dl_iterate_phdr(3), or by /proc/self/maps, which takes no lock of the loader's. */
#include "os/fork_unsafe_libraries.h"

#include "base/descriptors.h"
#include "base/path.h"

#include <link.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Libraries that are known to hang or to fail in a forked child of a process that has used them. */
static const char *const hostile[] = {
    "libgomp.so", "libgio-2.0.so", "libdispatch.so", "libtbb.so",     "libjvm.so", "libcuda.so",
    "libzmq.so",  "librdkafka.so", "libpulse.so",    "libsystemd.so", "libxcb.so", "libobjc.so",
};

static bool is_hostile(const char *path)
{
    const char *name = fc_path_last_part(path);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        const char *ending = strncmp(name, hostile[i], strlen(hostile[i])) == 0 ? name + strlen(hostile[i]) : NULL;
        if (ending != NULL && (*ending == '\0' || *ending == '.')) {
            return true;
        }
    }
    return false;
}

static int look(struct dl_phdr_info *info, size_t size, void *found)
{
    (void)size;
    *(bool *)found = is_hostile(info->dlpi_name);
    return *(bool *)found;
}

/* Looks at what the kernel has mapped, because another thread of the host may hold the loader's
 * lock for any time. */
static bool is_mapped(void)
{
    char line[512];
    bool found = false;
    fc_fds_lock(); /* a child that another thread forks must not inherit the file */
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = is_hostile(line);
    }
    if (maps != NULL)
        fclose(maps);
    fc_fds_unlock();
    return found;
}

bool fc_has_hostile_library(bool waits)
{
    bool found = false;
    if (!waits)
        return is_mapped();
    dl_iterate_phdr(look, &found);
    return found;
}
