/* HOST: Looks by dl_iterate_phdr(3), or by /proc/self/maps, which takes no lock of the loader's. */
#include "os/fork_unsafe_libraries.h"

#include "base/descriptors.h"
#include "base/lines.h"
#include "base/path.h"

#include <link.h>
#include <stddef.h>
#include <string.h>

/* Libraries that are known to hang or to fail in a forked child of a process that has used them.
 * Each name ends with a 0, and the list with another. */
static const char hostile[] = "libgomp.so\0libgio-2.0.so\0libdispatch.so\0libtbb.so\0libjvm.so\0libcuda.so\0"
                              "libzmq.so\0librdkafka.so\0libpulse.so\0libsystemd.so\0libxcb.so\0libobjc.so\0";

static bool is_hostile(const char *path)
{
    const char *name = fc_path_last_part(path);
    for (const char *known = hostile; *known != '\0'; known += strlen(known) + 1) {
        const char *ending = strncmp(name, known, strlen(known)) == 0 ? name + strlen(known) : NULL;
        if (ending != NULL && (*ending == '\0' || *ending == '.'))
            return true;
    }
    return false;
}

static int look(struct dl_phdr_info *info, size_t size, void *found)
{
    (void)size;
    *(bool *)found = is_hostile(info->dlpi_name);
    return *(bool *)found;
}

static bool look_at_line(char *line, void *found)
{
    *(bool *)found = is_hostile(line);
    return !*(bool *)found;
}

/* Looks at what the kernel has mapped, because another thread of the host may hold the loader's
 * lock for any time. */
static bool is_mapped(void)
{
    char buffer[4096 + 128]; /* a path and what stands before it */
    bool found = false;
    fc_fds_lock(); /* a child that another thread forks must not inherit the file */
    (void)fc_lines_read("/proc/self/maps", buffer, sizeof buffer, look_at_line, &found);
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
