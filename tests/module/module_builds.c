/* Loads builds of one module, and checks the answers of their functions. */
#include "module_builds.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pair with_build_id, without_build_id, relocated;
const char *incomplete;

void make_place(struct place *place)
{
    snprintf(place->directory, sizeof place->directory, "/tmp/forkcall-module-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    snprintf(place->plugin, sizeof place->plugin, "%s/plugin.so", place->directory);
    snprintf(place->other, sizeof place->other, "%s/other.so", place->directory);
}

void remove_place(const struct place *place)
{
    unlink(place->plugin);
    unlink(place->other);
    assert_int_equal(rmdir(place->directory), 0);
}

void replace(const struct place *place, const char *file)
{
    assert_true(copy_file(file, place->other));
    assert_int_equal(rename(place->other, place->plugin), 0);
}

void overwrite(const struct place *place, const char *file)
{
    char block[65536];
    const int in = open(file, O_RDONLY | O_CLOEXEC);
    const int out = open(place->plugin, O_WRONLY | O_TRUNC | O_CLOEXEC);
    ssize_t n;
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, block, sizeof block)) > 0)
        assert_int_equal(write(out, block, (size_t)n), n);
    assert_int_equal(n, 0);
    close(in);
    close(out);
}

forkcall_fn *load(const char *path, void **module)
{
    forkcall_fn *(*get)(void) = NULL;
    *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*module == NULL)
        fail_msg("%s", dlerror()); // NOLINT(concurrency-mt-unsafe): it is each thread's own
    *(void **)&get = dlsym(*module, "answer_function");
    assert_non_null(get);
    return get();
}

static bool preload(const char *path)
{
    return dlopen(path, RTLD_NOW | RTLD_LOCAL) != NULL;
}

struct fc_module_function name_plugin(const char *path)
{
    void *module;
    struct fc_module_function name;
    assert_int_equal(fc_module_name(load(path, &module), &name), 0);
    dlclose(module);
    return name;
}

void assert_answers(const struct fc_module_function *name, const char *from, int value)
{
    struct answer answer;
    assert_true(lookup_ask(name, from, &answer));
    if (answer.result != 0)
        fail_msg("%s", answer.why);
    assert_int_equal(answer.value, value);
}

void assert_refused(const struct fc_module_function *name, const char *from, int result, const char *why)
{
    struct answer answer;
    assert_true(lookup_ask(name, from, &answer));
    assert_int_equal(answer.result, result);
    assert_int_equal(answer.value, -1);
    if (strstr(answer.why, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", answer.why, why);
}

void assert_found_here(forkcall_fn *fn, const struct fc_module_function *name)
{
    forkcall_fn *found = NULL;
    char why[256] = "";
    assert_int_equal(fc_module_find(name, &found, why, sizeof why), 0);
    assert_true(found == fn);
}

bool same_layout(const struct fc_module_id *a, const struct fc_module_id *b)
{
    return memcmp(a->bytes, b->bytes, 8) == 0;
}

bool module_builds_begin(int argc, char **argv)
{
    lookup_preload = preload;
    lookup_serve(argc, argv);
    if (argc != 6 && argc != 8) {
        fprintf(stderr, "usage: %s INCOMPLETE WITH-BUILD-ID LATER WITHOUT LATER [RELOCATED LATER]\n", argv[0]);
        return false;
    }
    static char paths[7][PATH_MAX];
    for (int i = 1; i < argc; i++) {
        if (realpath(argv[i], paths[i - 1]) == NULL) {
            perror(argv[i]);
            return false;
        }
    }
    incomplete = paths[0];
    with_build_id = (struct pair){paths[1], paths[2]};
    without_build_id = (struct pair){paths[3], paths[4]};
    if (argc == 8)
        relocated = (struct pair){paths[5], paths[6]};
    return true;
}
