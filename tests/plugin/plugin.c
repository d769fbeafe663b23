/* A plugin that makes calls. It is linked with the library, shared or static, or (LOAD) loads the
 * library itself. */
#include "time_factor.h"

#include <forkcall.h>

#include <errno.h>
#include <stddef.h>
#ifdef LOAD
#include <dlfcn.h>
#endif

/* Makes calls. Returns 0, or the number of the check that failed. */
int plugin_use(const char *path);

struct functions {
    struct forkcall_report (*run)(forkcall_fn *, const void *, size_t, struct forkcall_buf *,
                                  const struct forkcall_options *);
    int (*append)(struct forkcall_buf *, const void *, size_t);
    void (*free)(struct forkcall_buf *);
    bool (*in_child)(void);
};
static struct functions library;

/* A static function in the plugin's own code, so no symbol leads to it. */
static int child_doubles(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const int doubled = *(const int *)args * 2;
    (void)args_size;
    if (!library.in_child())
        return 1;
    return library.append(result, &doubled, sizeof doubled);
}

static int child_crashes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    __builtin_trap();
}

#ifdef LOAD
static void *loaded;

static int open_library(const char *path)
{
    loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (loaded == NULL)
        return 1;
    /* POSIX lets a pointer to an object hold a function's address, and C does not. */
    *(void **)&library.run = dlsym(loaded, "forkcall_run");
    *(void **)&library.append = dlsym(loaded, "forkcall_buf_append");
    *(void **)&library.free = dlsym(loaded, "forkcall_buf_free");
    *(void **)&library.in_child = dlsym(loaded, "forkcall_in_child");
    return library.run == NULL || library.append == NULL || library.free == NULL || library.in_child == NULL ? 2 : 0;
}

static int close_library(void)
{
    return dlclose(loaded) == 0 ? 0 : 7;
}
#else
static int open_library(const char *path)
{
    (void)path;
    library = (struct functions){forkcall_run, forkcall_buf_append, forkcall_buf_free, forkcall_in_child};
    return 0;
}

static int close_library(void)
{
    return 0;
}
#endif

/* The program's main() does not know the library and so has not called forkcall_init(). */
static bool other_methods_are_refused(void)
{
    static const enum forkcall_method methods[] = {FORKCALL_SERVER, FORKCALL_SPAWN};
    for (int i = 0; i < 2; i++) {
        const struct forkcall_options options = {.method = methods[i]};
        const struct forkcall_report report = library.run(child_crashes, NULL, 0, NULL, &options);
        if (report.status != FORKCALL_NOT_STARTED || report.code != ENOTSUP || report.ran != FORKCALL_RAN_NO)
            return false;
    }
    return true;
}

int plugin_use(const char *path)
{
    const int number = 21;
    struct forkcall_buf result = FORKCALL_BUF_INIT;
    const struct forkcall_options options = {.timeout_ms = 60000 * time_factor(), .allow_unsafe_fork = true};
    int r = open_library(path);
    if (r != 0)
        return r;
    struct forkcall_report report = library.run(child_doubles, &number, sizeof number, &result, &options);
    if (report.status != FORKCALL_OK || result.size != sizeof(int) || *(int *)result.data != 42)
        r = 3;
    library.free(&result);
    report = library.run(child_crashes, NULL, 0, NULL, &options);
    if (r == 0 && report.status != FORKCALL_SIGNALED)
        r = 4;
    if (r == 0 && !other_methods_are_refused())
        r = 5;
    return r != 0 ? r : close_library();
}
