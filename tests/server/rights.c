/* Reads and drops capabilities of the calling thread, and changes its user. */
#include "rights.h"

#include "host_changes.h"

#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

struct header {
    uint32_t version;
    int pid;
};

int get_capabilities(struct capabilities has[2])
{
    struct header header = {0x20080522U, 0};
    return (int)syscall(SYS_capget, &header, has);
}

int set_capabilities(const struct capabilities wanted[2])
{
    struct header header = {0x20080522U, 0};
    return (int)syscall(SYS_capset, &header, wanted);
}

bool is_root(void)
{
    struct capabilities has[2];
    return geteuid() == 0 && get_capabilities(has) == 0 && (has[0].effective & (1U << SETUID_)) != 0;
}

int take_file_user(void)
{
    if (!is_root())
        return NOT_HERE;
    setfsuid(NOBODY);
    return setfsuid((uid_t)-1) == NOBODY ? 0 : NOT_HERE;
}
