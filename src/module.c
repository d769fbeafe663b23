/* Finding a function by its name, whatever the platform. */
#include "module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A static program is not to have the loader only because of this file: it can have other modules only if it brings the
 * loader itself. */
#pragma weak dlopen
#pragma weak dlclose
#pragma weak dlerror

int fc_module_set_path(struct fc_module_function *name, const char *path)
{
    const size_t length = strlen(path);
    if (length >= sizeof name->path)
        return -ENAMETOOLONG;
    memcpy(name->path, path, length + 1);
    name->path_size = (uint32_t)length + 1;
    return 0;
}

static bool is_well_formed(const struct fc_module_function *name)
{
    return name->id.size <= sizeof name->id.bytes && name->path_size >= 1 && name->path_size <= sizeof name->path &&
           memchr(name->path, 0, name->path_size) == name->path + name->path_size - 1;
}

/* The loader would wait for a pipe to be opened at its other end. */
static bool is_special_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static void *load(const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    /* The caller may have loaded it although not all that it refers to exists. */
    return module != NULL ? module : dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}

static int load_and_search(const struct fc_module_function *name, forkcall_fn **fn, char *why, size_t why_size)
{
    if (name->path[0] != '/') {
        (void)snprintf(why, why_size, "the module %s is not loaded here, and its file is not known", name->path);
        return -ENOENT;
    }
    if (dlopen == NULL) {
        (void)snprintf(why, why_size, "cannot load the module %s: this program is static", name->path);
        return -ENOENT;
    }
    if (is_special_file(name->path)) {
        (void)snprintf(why, why_size, "cannot load the module %s: not a regular file", name->path);
        return -ENOENT;
    }
    void *module = load(name->path);
    if (module == NULL) {
        const char *error = dlerror(); // NOLINT(concurrency-mt-unsafe): it is each thread's own
        (void)snprintf(why, why_size, "cannot load the module %s: %s", name->path, error != NULL ? error : "no reason");
        return -ENOENT;
    }
    if (fc_module_search(name, fn))
        return 0;
    (void)dlclose(module);
    (void)snprintf(why, why_size, "the module %s is another build here than in the caller", name->path);
    return -ESTALE;
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
        (void)snprintf(why, why_size, "the program is another build here than in the caller");
        return -ESTALE;
    }
    return load_and_search(name, fn, why, why_size);
}
