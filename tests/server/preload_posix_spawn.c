/* A library for LD_PRELOAD that stands in for posix_spawn. EXEC_AS: letters: r, by the path that
 * the path leads to; the others are those of the program at EXEC_WRAPPER, through which it is then
 * started. */
#include <dlfcn.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>

typedef int spawn_fn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                     const posix_spawnattr_t *attrp, char *const *argv, char *const *envp);

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attrp,
                char *const *argv, char *const *envp)
{
    static char real[PATH_MAX];
    char *letters = getenv("EXEC_AS"), *wrapper = getenv("EXEC_WRAPPER");
    spawn_fn *next;
    *(void **)&next = dlsym(RTLD_NEXT, "posix_spawn");
    if (letters == NULL || wrapper == NULL)
        return next(pid, path, actions, attrp, argv, envp);
    if (strchr(letters, 'r') != NULL && realpath(path, real) != NULL)
        path = real;
    if (strpbrk(letters, "cemf") == NULL)
        return next(pid, path, actions, attrp, argv, envp);
    char *wrapped[] = {wrapper, letters, (char *)path, NULL};
    return next(pid, wrapper, actions, attrp, wrapped, envp);
}
