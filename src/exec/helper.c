/* HOST: The helper: which file it is, and whether that file can be trusted. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* realpath */
#endif
#include "exec/helper.h"

#include "config.h"
#include "exec/init_called.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The helpers that were ever noted. None is freed, because another thread may be about to start
 * it. */
struct helper {
    struct helper *next;
    char path[];
};
static _Atomic(struct helper *) all, used;

/* The helper is started with the real user (exec/spawn_self.c). So a process that has only taken on
 * the rights of another user for a while does not trust the files of that one. */
static bool is_of_root_or_user(const struct stat *file)
{
    return file->st_uid == 0 || (file->st_uid == getuid() && file->st_uid == geteuid());
}

/* True: nobody but root and this user can put other files into the directory, or take files away.
 * In a sticky directory nobody can take away what belongs to others. */
static bool is_safe_directory(const char *path)
{
    struct stat dir;
    return lstat(path, &dir) == 0 && S_ISDIR(dir.st_mode) && is_of_root_or_user(&dir) &&
           ((dir.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (dir.st_mode & S_ISVTX) != 0);
}

/* Looks at each directory of an absolute path without links. A link that has taken the place of a
 * directory since then may lead elsewhere the next moment. */
static bool are_safe_directories(const char *path)
{
    char *part = strdup(path);
    bool safe = part != NULL;
    char *slash = safe ? strrchr(part, '/') : NULL;
    while (safe && slash != NULL) {
        slash[slash == part ? 1 : 0] = '\0';
        safe = is_safe_directory(part);
        slash = slash == part ? NULL : strrchr(part, '/');
    }
    free(part);
    return safe;
}

static int check(const char *path)
{
    struct stat file;
    if (lstat(path, &file) < 0)
        return -errno;
    if (!S_ISREG(file.st_mode))
        return -EINVAL;
    if (!is_of_root_or_user(&file) || (file.st_mode & (S_IWGRP | S_IWOTH)) != 0 || !are_safe_directories(path))
        return -EACCES;
    return access(path, X_OK) == 0 ? 0 : -errno;
}

static int note(const char *path, bool *changed)
{
    struct helper *helper = atomic_load(&all);
    while (helper != NULL && strcmp(helper->path, path) != 0)
        helper = helper->next;
    if (helper == NULL) {
        const size_t size = strlen(path) + 1;
        helper = malloc(sizeof *helper + size);
        if (helper == NULL)
            return -ENOMEM;
        memcpy(helper->path, path, size);
        helper->next = atomic_load(&all);
        while (!atomic_compare_exchange_weak(&all, &helper->next, helper))
            ;
    }
    *changed = atomic_exchange(&used, helper) != helper;
    return 0;
}

/* The path is kept without links, so that the directories that are looked at are those that lead to
 * the file. */
int fc_helper_use(const char *path, bool *changed)
{
    *changed = false;
    if (path == NULL)
        path = FC_HELPER_PATH;
    if (path[0] != '/')
        return -EINVAL;
    char *real = realpath(path, NULL);
    if (real == NULL)
        return -errno;
    int r = check(real);
    if (r == 0)
        r = note(real, changed);
    free(real);
    return r;
}

bool fc_helper_is_used(void)
{
    return atomic_load(&used) != NULL && !fc_init_was_called();
}

int fc_helper_get(struct fc_executable *executable)
{
    const struct helper *helper = atomic_load(&used);
    *executable = (struct fc_executable){.path = strdup(helper->path)};
    if (executable->path == NULL)
        return -ENOMEM;
    const int r = check(executable->path);
    if (r == -EACCES || r == -EINVAL)
        executable->why = "the helper's file can by now be changed by others than root and the user of this process, "
                          "or this user may not execute it";
    else if (r < 0)
        executable->why = "the helper's file";
    return r;
}
