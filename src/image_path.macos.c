/* macOS: dyld knows the path. An image that was replaced or deleted cannot be started again; the copy's identity is checked
 * before any call (module.h). */
#include "copy.h"

#include <errno.h>
#include <limits.h>
#include <mach-o/dyld.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

void fc_image_path_note(void)
{
}

bool fc_image_path_is_this(void)
{
    return false;
}

void fc_image_path_forget(void)
{
}

bool fc_image_is_privileged(void)
{
    return issetugid() != 0;
}

int fc_image_path_get(struct fc_image_path *image)
{
    static char path[PATH_MAX]; /* the same bytes for every thread */
    uint32_t size = sizeof path;
    if (_NSGetExecutablePath(path, &size) < 0)
        return -ENAMETOOLONG;
    *image = (struct fc_image_path){.path = path, .tells = false};
    return 0;
}

const char *fc_image_path_raises(const struct fc_image_path *image)
{
    struct stat file;
    if (getuid() != geteuid() || getgid() != getegid())
        return "the calling thread's real and effective user or group differ, with which no clean process can be "
               "started";
    if (stat(image->path, &file) == 0 && (file.st_mode & (S_ISUID | S_ISGID)) != 0)
        return "this program's file is set-user-id or set-group-id: a new process of it would have other rights";
    return NULL;
}
