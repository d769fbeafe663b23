/* A library for LD_PRELOAD that replaces posix_spawn(). EXEC_AS holds letters: r starts the
 * program by the path that its path resolves to. The other letters are those of the program at
 * EXEC_WRAPPER (wrapper.c), which then starts the program. */
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
