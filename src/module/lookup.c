/* ANY: Finds a function by its name: the part that is equal on all platforms. */
#include "module/lookup.h"

#include "module/path_status.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TOLD_PATH_MAX 100U /* a report's message has room for 255 bytes */
#define LOADER_WORDS_MAX 400U

/* These functions are weak, so that this file does not link the loader into a static program, which
 * can have other modules only if it brings the loader itself. */
#pragma weak dlopen
#pragma weak dlclose
#pragma weak dlerror

static bool is_well_formed(const struct fc_module_function *name)
{
    return name->id.size <= sizeof name->id.bytes && name->path_size >= 1 && name->path_size <= sizeof name->path &&
           memchr(name->path, 0, name->path_size) == name->path + name->path_size - 1;
}

/* Looks at the file, on whose device the host has found the module. */
static int get_status(const struct fc_module_function *name, struct stat *status)
{
    return fc_path_status(name->path, name->file.inode != 0 ? name->file.device : name->file.mapped_device, status);
}

/* True: another file has taken the place of the caller's. Such a file must not be loaded even to
 * look at it, because its constructors would run. A missing file is left to the loader, which
 * describes the error best. */
static bool was_replaced(const struct fc_module_function *name, int looked, const struct stat *status)
{
    const struct fc_module_file *file = &name->file;
    if (looked < 0)
        return looked == -EREMOTE; /* a process answers for what lies there now, or does not */
    if (file->inode == 0)          /* the caller itself did not find its file by this path */
        return file->mapped_inode != 0;
    return (uint64_t)status->st_ino != file->inode || (uint64_t)status->st_dev != file->device;
}

static void *load(const struct fc_module_function *name)
{
    void *module = dlopen(name->path, RTLD_NOW | RTLD_LOCAL);
    /* The caller may have loaded it although some symbols that it refers to do not exist. */
    return module != NULL || name->must_be_complete ? module : dlopen(name->path, RTLD_LAZY | RTLD_LOCAL);
}

/* Writes why, with the module's path in the middle, and returns error. Only the end of a long path
 * is written, so that the reason behind it has room. */
static int refuse(const struct fc_module_function *name, int error, const char *before, const char *after, char *why,
                  size_t why_size)
{
    const size_t length = strlen(name->path);
    const bool is_long = length > TOLD_PATH_MAX;
    (void)snprintf(why, why_size, "%s%s%s%s", before, is_long ? "..." : "",
                   is_long ? name->path + length - TOLD_PATH_MAX : name->path, after);
    return error;
}

/* Refuses with what the loader says, without the path with which it usually begins. */
static int refuse_unloadable(const struct fc_module_function *name, char *why, size_t why_size)
{
    const char *error = dlerror(); // NOLINT(concurrency-mt-unsafe): it is each thread's own
    const size_t length = strlen(name->path);
    char reason[LOADER_WORDS_MAX];
    if (error != NULL && strncmp(error, name->path, length) == 0 && strncmp(error + length, ": ", 2) == 0)
        error += length + 2;
    (void)snprintf(reason, sizeof reason, ": %s", error != NULL ? error : "no reason");
    return refuse(name, -ENOENT, "cannot load the module ", reason, why, why_size);
}

static int load_and_search(const struct fc_module_function *name, forkcall_fn **fn, char *why, size_t why_size)
{
    struct stat status;
    if (name->path[0] != '/')
        return refuse(name, -ENOENT, "the module ", " is not loaded in the new process, and its file is not known", why,
                      why_size);
    if (dlopen == NULL)
        return refuse(name, -ENOENT, "cannot load the module ", ": this program is static", why, why_size);
    const int looked = get_status(name, &status);
    /* The loader would wait for a pipe to be opened at its other end. */
    if (looked == 0 && !S_ISREG(status.st_mode))
        return refuse(name, -ENOENT, "cannot load the module ", ": not a regular file", why, why_size);
    if (was_replaced(name, looked, &status))
        return refuse(name, -ESTALE, "the file of the module ", " was replaced after the caller had loaded it", why,
                      why_size);
    void *module = load(name);
    if (module == NULL)
        return refuse_unloadable(name, why, why_size);
    if (fc_module_search(name, fn))
        return 0;
    (void)dlclose(module);
    return refuse(name, -ESTALE, "the module ", " is another build in the new process than in the caller", why,
                  why_size);
}

bool fc_module_is_loaded(const struct fc_module_function *name)
{
    forkcall_fn *fn;
    return is_well_formed(name) && fc_module_search(name, &fn);
}

int fc_module_find(const struct fc_module_function *name, forkcall_fn **fn, char *why, size_t why_size)
{
    if (!is_well_formed(name)) {
        (void)snprintf(why, why_size, "not the name of a function");
        return -EINVAL;
    }
    if (fc_module_search(name, fn))
        return 0;
    if (name->is_program) {
        (void)snprintf(why, why_size, "the program is another build in the new process than in the caller");
        return -ESTALE;
    }
    return load_and_search(name, fn, why, why_size);
}
