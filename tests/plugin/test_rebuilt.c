/* Tests a plugin that is rebuilt while its host and a server live: the call must never run code of
 * another build than the host's. */
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *builds[2];
static char directory[] = "/tmp/forkcall-test-XXXXXX";
static char installed[64], fresh[64];

/* Replaces the plugin by a new file, as compilers and package managers do. */
static bool install(const char *build)
{
    char bytes[4096];
    ssize_t n;
    const int from = open(build, O_RDONLY | O_CLOEXEC);
    const int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    bool copied = from >= 0 && to >= 0;
    while (copied && (n = read(from, bytes, sizeof bytes)) > 0)
        copied = write(to, bytes, (size_t)n) == n;
    close(from);
    close(to);
    return copied && rename(fresh, installed) == 0;
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(installed, sizeof installed, "%s/plugin.so", directory);
    snprintf(fresh, sizeof fresh, "%s/fresh", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(installed);
    return rmdir(directory);
}

static void *load(forkcall_fn **fn)
{
    forkcall_fn *(*function)(void) = NULL;
    void *plugin = dlopen(installed, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(plugin);
    /* POSIX lets a pointer to an object hold a function's address, and C does not. */
    *(void **)&function = dlsym(plugin, "function_of_plugin");
    assert_non_null(function);
    *fn = function();
    return plugin;
}

static void assert_build(forkcall_fn *fn, int wanted)
{
    int build = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&build, sizeof build);
    const struct forkcall_report report = run_tested(fn, NULL, 0, &result, NULL);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(build, wanted);
}

static void assert_refused(forkcall_fn *fn)
{
    int build = 0;
    struct forkcall_buf result = forkcall_buf_fixed(&build, sizeof build);
    const struct forkcall_report report = run_tested(fn, NULL, 0, &result, NULL);
    assert_status(report, FORKCALL_NOT_STARTED);
    assert_int_equal(report.ran, FORKCALL_RAN_NO);
    assert_string_not_equal(report.message, "");
    assert_int_equal(build, 0);
}

static void plugin_rebuilt_while_the_server_lives(void **state)
{
    forkcall_fn *fn;
    (void)state;
    assert_true(warm_up());
    const struct traces before = traces_now();
    assert_true(install(builds[0]));
    void *plugin = load(&fn);
    /* Several calls, because the first ones use children that were made before. */
    for (int i = 0; i < 4; i++)
        assert_build(fn, 1);
    assert_true(install(builds[1]));
    for (int i = 0; i < 4; i++) {
        if (method_shares_memory())
            assert_build(fn, 1); /* A fork has the host's build in memory. */
        else
            assert_refused(fn);
    }
    assert_int_equal(dlclose(plugin), 0);
    plugin = load(&fn);
    for (int i = 0; i < 4; i++)
        assert_build(fn, 2);
    assert_int_equal(dlclose(plugin), 0);
    assert_no_traces(before, false);
    /* The same server could call the program's own functions all the time. */
    const struct forkcall_report report = run_tested(child_returns_0, NULL, 0, NULL, NULL);
    assert_status(report, FORKCALL_OK);
    assert_int_equal(forkcall_server_start(NULL), tested_method() == FORKCALL_SERVER ? -EALREADY : 0);
    forkcall_server_stop();
}

static void plugin_deleted_while_the_server_lives(void **state)
{
    forkcall_fn *fn;
    (void)state;
    assert_true(warm_up());
    assert_true(install(builds[0]));
    void *plugin = load(&fn);
    assert_build(fn, 1);
    assert_int_equal(unlink(installed), 0);
    if (method_shares_memory())
        assert_build(fn, 1);
    else
        assert_refused(fn);
    assert_int_equal(dlclose(plugin), 0);
}

int main(int argc, char **argv)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plugin_rebuilt_while_the_server_lives),
        cmocka_unit_test(plugin_deleted_while_the_server_lives),
    };
    if (argc != 3) {
        fprintf(stderr, "usage: %s BUILD-1 BUILD-2\n", argv[0]);
        return 2;
    }
    builds[0] = argv[1];
    builds[1] = argv[2];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
