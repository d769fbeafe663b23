/* Tests a plugin that brings the library into a program that does not know it, privately, and takes
 * it away again. This program must not be linked with the library, so it cannot use the helpers of
 * other tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMES 3

static const char *library_path;

static int count_descriptors(void)
{
    int n = 0;
    DIR *list = opendir("/proc/self/fd");
    if (list == NULL)
        return 0;
    while (readdir(list) != NULL) // NOLINT(concurrency-mt-unsafe): a list of its own
        n++;
    closedir(list);
    return n;
}

static int use_plugin(const char *path, int mode)
{
    void *plugin = dlopen(path, mode | RTLD_LOCAL);
    int (*use)(const char *) = NULL;
    if (plugin == NULL) {
        print_error("%s\n", dlerror()); // NOLINT(concurrency-mt-unsafe): one thread
        return 100;
    }
    *(void **)&use = dlsym(plugin, "plugin_use");
    const int r = use == NULL ? 101 : use(library_path);
    return dlclose(plugin) == 0 ? r : 102;
}

/* Forks, because the library's fork handlers must not be called after the library was unloaded. */
static void fork_and_wait(void)
{
    int status = -1;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(7);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

struct user {
    const char *path;
    int r;
};

static void *use_in_thread(void *context)
{
    struct user *user = context;
    user->r = use_plugin(user->path, RTLD_NOW);
    return NULL;
}

/* Uses the plugin in a thread that ends. The library's data of this thread is destroyed after the
 * plugin was closed. */
static void use_in_a_thread_that_ends(const char *path)
{
    pthread_t thread;
    struct user user = {path, -1};
    assert_int_equal(pthread_create(&thread, NULL, use_in_thread, &user), 0);
    pthread_join(thread, NULL);
    assert_int_equal(user.r, 0);
}

static void check_plugin(const char *path)
{
    const int before = count_descriptors();
    assert_null(dlsym(RTLD_DEFAULT, "forkcall_run")); /* The library's names are private. */
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(use_plugin(path, i % 2 == 0 ? RTLD_NOW : RTLD_LAZY), 0);
        fork_and_wait();
        use_in_a_thread_that_ends(path);
        fork_and_wait();
    }
    assert_int_equal(count_descriptors(), before);
}

static const char *plugins[3];

static void plugin_with_the_shared_library(void **state)
{
    (void)state;
    check_plugin(plugins[0]);
}

static void plugin_with_the_static_library(void **state)
{
    (void)state;
    check_plugin(plugins[1]);
}

static void plugin_that_loads_the_library_with_dlopen(void **state)
{
    (void)state;
    check_plugin(plugins[2]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plugin_with_the_shared_library),
        cmocka_unit_test(plugin_with_the_static_library),
        cmocka_unit_test(plugin_that_loads_the_library_with_dlopen),
    };
    if (argc != 5) {
        fprintf(stderr, "usage: %s LIBRARY PLUGIN-SHARED PLUGIN-STATIC PLUGIN-LOADING\n", argv[0]);
        return 2;
    }
    library_path = argv[1];
    for (int i = 0; i < 3; i++)
        plugins[i] = argv[2 + i];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
