/* ANY: macOS: Finds the executable's path through dyld. An executable that was replaced or deleted
 * cannot be started again. The new process's identity is checked before any call
 * (exec/library_id.h, module/lookup.h). */
#include "exec/exec_self.h"

#include <errno.h>
#include <libproc.h>
#include <limits.h>
#include <mach-o/dyld.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fc_executable_note(void)
{
}

bool fc_executable_is_this(void)
{
    return false;
}

void fc_executable_forget(void)
{
}

bool fc_executable_is_of_parent(void)
{
    char own[PROC_PIDPATHINFO_MAXSIZE], other[PROC_PIDPATHINFO_MAXSIZE];
    return proc_pidpath(getpid(), own, sizeof own) > 0 && proc_pidpath(getppid(), other, sizeof other) > 0 &&
           strcmp(own, other) == 0;
}

bool fc_executable_is_privileged(void)
{
    return issetugid() != 0;
}

int fc_executable_get(struct fc_executable *executable)
{
    uint32_t size = PATH_MAX;
    *executable = (struct fc_executable){.path = malloc(PATH_MAX)};
    if (executable->path == NULL)
        return -ENOMEM;
    if (_NSGetExecutablePath(executable->path, &size) == 0)
        return 0;
    executable->why = "the path of this program's file is too long";
    return -ENAMETOOLONG;
}

const char *fc_executable_raises(const struct fc_executable *executable)
{
    struct stat file;
    if (getuid() != geteuid() || getgid() != getegid())
        return "the calling thread's real and effective user or group differ, with which no clean process can be "
               "started";
    if (stat(executable->path, &file) == 0 && (file.st_mode & (S_ISUID | S_ISGID)) != 0)
        return "this program's file is set-user-id or set-group-id: a new process of it would have other rights";
    return NULL;
}
