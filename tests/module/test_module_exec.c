/* Tests that functions of the program, of libraries and of plugins are found by name in a new
 * process that is started by exec, and that what differs there is refused. */
#include "module_builds.h"
#include "named_module.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int static_function(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 42;
}

/* ---- In a new process ------------------------------------------------------------------------ */

static void copy_finds_the_programs_function(void **state)
{
    struct fc_module_function name;
    (void)state;
    NOT_WITHOUT_EXEC;
    assert_int_equal(fc_module_name(static_function, &name), 0);
    assert_answers(&name, NULL, 42);
    name.id.bytes[0] ^= 1;
    assert_refused(&name, NULL, -ESTALE, "the program is another build in the new process than in the caller");
}

static void copy_finds_a_librarys_function(void **state)
{
    struct fc_module_function name;
    (void)state;
    NOT_WITHOUT_EXEC;
    assert_int_equal(fc_module_name(needed_answer_function(), &name), 0);
    assert_answers(&name, NULL, 3);
}

static void copy_loads_a_plugin(void **state)
{
    const struct pair *pairs[] = {&with_build_id, &without_build_id, &relocated};
    const uint32_t kinds[] = {FC_MODULE_ID_BUILD, FC_MODULE_ID_CONTENT, FC_MODULE_ID_FILE};
    (void)state;
    NOT_WITHOUT_EXEC;
    for (size_t i = 0; i < 3; i++) {
        if (pairs[i]->one == NULL)
            continue;
        const struct fc_module_function name = name_plugin(pairs[i]->one);
        assert_false(name.is_program);
        assert_int_equal(name.id.kind, kinds[i]);
        assert_string_equal(name.path, pairs[i]->one);
        assert_answers(&name, NULL, 1);
    }
}

/* Checks that a rebuilt plugin is refused. in_place: the file stays the same, as with few builds,
 * and only its content differs. The new process has not loaded the plugin before. */
static void check_rebuilt(const struct pair *pair, bool in_place)
{
    const char *const why = in_place ? "plugin.so is another build in the new process than in the caller"
                                     : "plugin.so was replaced after the caller had";
    struct place place;
    struct stat one, two;
    make_place(&place);
    replace(&place, pair->one);
    assert_int_equal(stat(place.plugin, &one), 0);
    const struct fc_module_function name = name_plugin(place.plugin);
    assert_answers(&name, NULL, 1);
    if (in_place)
        overwrite(&place, pair->two);
    else
        replace(&place, pair->two);
    assert_int_equal(stat(place.plugin, &two), 0);
    assert_int_equal(one.st_ino == two.st_ino, in_place);
    const struct fc_module_function later = name_plugin(place.plugin);
    /* Layout and size are equal, so only the identity differs. */
    assert_int_equal(later.offset, name.offset);
    assert_true(same_layout(&name.id, &later.id));
    assert_int_equal(one.st_size, two.st_size);
    assert_refused(&name, NULL, -ESTALE, why);
    assert_refused(&name, place.plugin, -ESTALE, why);
    assert_answers(&later, NULL, 2);
    remove_place(&place);
}

/* With musl dlclose() unloads nothing. The caller still has the overwritten file mapped, and
 * loading it again gives the old mapping. */
#define NOT_WRITTEN_OVER_WITH_MUSL                                                     \
    do {                                                                               \
        if (has_musl())                                                                \
            SKIP("with musl, a file that is written over stays loaded in the caller"); \
    } while (0)

static void rebuilt_plugin_is_refused(void **state)
{
    (void)state;
    NOT_WITHOUT_EXEC;
    check_rebuilt(&with_build_id, false);
    NOT_WRITTEN_OVER_WITH_MUSL;
    check_rebuilt(&with_build_id, true);
}

static void rebuilt_plugin_without_build_id_is_refused(void **state)
{
    (void)state;
    NOT_WITHOUT_EXEC;
    check_rebuilt(&without_build_id, false);
    NOT_WRITTEN_OVER_WITH_MUSL;
    check_rebuilt(&without_build_id, true);
}

static void rebuilt_plugin_with_relocated_code_is_refused(void **state)
{
    (void)state;
    NOT_WITHOUT_EXEC;
    if (relocated.one == NULL)
        SKIP("this linker does not relocate code");
    check_rebuilt(&relocated, false);
    NOT_WRITTEN_OVER_WITH_MUSL;
    check_rebuilt(&relocated, true);
}

/* The caller still has the old build in memory, but at its path lies only the new build. */
static void plugin_replaced_before_it_is_named_is_refused(void **state)
{
    const struct pair *pairs[] = {&with_build_id, &without_build_id, &relocated};
    (void)state;
    NOT_WITHOUT_EXEC;
    for (size_t i = 0; i < 3; i++) {
        struct place place;
        struct fc_module_function name;
        void *module;
        if (pairs[i]->one == NULL)
            continue;
        make_place(&place);
        replace(&place, pairs[i]->one);
        forkcall_fn *const fn = load(place.plugin, &module);
        replace(&place, pairs[i]->two);
        if (pairs[i] == &relocated) {
            assert_int_equal(fc_module_name(fn, &name), -ESTALE);
        } else {
            assert_int_equal(fc_module_name(fn, &name), 0);
            assert_string_equal(name.path, place.plugin);
            assert_refused(&name, NULL, -ESTALE, "plugin.so was replaced after the caller had loaded it");
        }
        dlclose(module);
        remove_place(&place);
    }
}

static void deleted_plugin_is_told(void **state)
{
    struct place place;
    (void)state;
    NOT_WITHOUT_EXEC;
    make_place(&place);
    replace(&place, with_build_id.one);
    const struct fc_module_function name = name_plugin(place.plugin);
    assert_int_equal(unlink(place.plugin), 0);
    assert_refused(&name, NULL, -ENOENT, "cannot load the module /tmp/forkcall-module-");
    assert_refused(&name, NULL, -ENOENT, "No such file");
    /* The loader would wait for a writer to this FIFO. */
    assert_int_equal(mkfifo(place.plugin, 0600), 0);
    assert_refused(&name, NULL, -ENOENT, "plugin.so: not a regular file");
    remove_place(&place);
}

/* The new process loads the caller's file by a hard link, and again after the original path was
 * removed. Only the file counts, not its path. */
static void same_file_from_another_path_is_taken(void **state)
{
    struct place place;
    (void)state;
    NOT_WITHOUT_EXEC;
    make_place(&place);
    replace(&place, with_build_id.one);
    const struct fc_module_function name = name_plugin(place.plugin);
    assert_int_equal(link(place.plugin, place.other), 0);
    assert_answers(&name, place.other, 1);
    assert_int_equal(unlink(place.plugin), 0);
    assert_answers(&name, place.other, 1);
    remove_place(&place);
}

/* A copy of the file has data of its own, and the plugin may look for other files beside its own
 * path. So the copy must not be taken for the plugin. */
static void copy_of_a_plugin_is_another_module(void **state)
{
    const struct pair *pairs[] = {&with_build_id, &without_build_id, &relocated};
    struct place place;
    (void)state;
    NOT_WITHOUT_EXEC;
    make_place(&place);
    for (size_t i = 0; i < 3; i++) {
        if (pairs[i]->one == NULL)
            continue;
        replace(&place, pairs[i]->one);
        const struct fc_module_function name = name_plugin(place.plugin);
        /* The function is found in the plugin's own file, although the copy is loaded, too. */
        assert_answers(&name, pairs[i]->one, 1);
        assert_int_equal(unlink(place.plugin), 0);
        assert_refused(&name, pairs[i]->one, -ENOENT, "cannot load the module");
    }
    remove_place(&place);
}

static void moved_plugin_is_named_by_its_new_path(void **state)
{
    struct place place;
    struct fc_module_function name;
    void *module;
    (void)state;
    NOT_WITHOUT_EXEC;
    make_place(&place);
    replace(&place, with_build_id.one);
    forkcall_fn *const fn = load(place.plugin, &module);
    assert_int_equal(fc_module_name(fn, &name), 0);
    assert_string_equal(name.path, place.plugin);
    assert_int_equal(rename(place.plugin, place.other), 0);
    assert_int_equal(fc_module_name(fn, &name), 0);
    assert_string_equal(name.path, place.other);
    assert_answers(&name, NULL, 1);
    /* Another file takes the old path, which must not be used any more. */
    assert_true(copy_file(with_build_id.two, place.plugin));
    assert_int_equal(fc_module_name(fn, &name), 0);
    assert_answers(&name, place.plugin, 1);
    dlclose(module);
    remove_place(&place);
}

/* A long path must not cut off the reason that follows it in the message. */
static void reason_is_not_cut_off_by_a_long_path(void **state)
{
    struct fc_module_function name;
    char path[2000];
    char why[256];
    forkcall_fn *fn;
    (void)state;
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    assert_int_equal(fc_module_name(needed_answer_function(), &name), 0);
    name.file.mapped_inode ^= 1;
    assert_int_equal(fc_module_set_path(&name, path), 0);
    assert_int_equal(fc_module_find(&name, &fn, why, sizeof why), -ENOENT);
    assert_non_null(strstr(why, "cannot load the module ...xxx"));
    assert_non_null(strstr(why, "x: "));
    memset(path, '/', sizeof path - 1); /* the root directory: not a regular file */
    assert_int_equal(fc_module_set_path(&name, path), 0);
    assert_int_equal(fc_module_find(&name, &fn, why, sizeof why), -ENOENT);
    assert_non_null(strstr(why, "/: not a regular file"));
}

static void plugin_is_found_after_a_change_of_directory(void **state)
{
    struct place place;
    struct fc_module_function name;
    void *module;
    char before[PATH_MAX];
    (void)state;
    NOT_WITHOUT_EXEC;
    assert_non_null(getcwd(before, sizeof before));
    make_place(&place);
    replace(&place, with_build_id.one);
    assert_int_equal(chdir(place.directory), 0);
    forkcall_fn *const fn = load("./plugin.so", &module);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(fc_module_name(fn, &name), 0);
    assert_string_equal(name.path, place.plugin);
    assert_answers(&name, NULL, 1);
    dlclose(module);
    assert_int_equal(chdir(before), 0);
    remove_place(&place);
}

/* Files that the plugin needs may lie beside the link and not beside the file, so the path of the
 * link must stay. */
static void path_of_the_loader_is_kept(void **state)
{
    struct place place;
    (void)state;
    NOT_WITHOUT_EXEC;
    make_place(&place);
    assert_true(copy_file(with_build_id.one, place.other));
    assert_int_equal(symlink(place.other, place.plugin), 0);
    const struct fc_module_function name = name_plugin(place.plugin);
    assert_string_equal(name.path, place.plugin);
    assert_answers(&name, NULL, 1);
    remove_place(&place);
}

/* The caller could load the plugin because the missing function is never called. The new process
 * must load it in the same way. */
static void plugin_that_misses_something_is_loaded(void **state)
{
    forkcall_fn *(*get)(void) = NULL;
    struct fc_module_function name;
    void *module = dlopen(incomplete, RTLD_LAZY | RTLD_LOCAL);
    (void)state;
    NOT_WITHOUT_EXEC;
    if (module == NULL)
        SKIP("nothing is bound lazily here");
    *(void **)&get = dlsym(module, "answer_function");
    assert_non_null(get);
    assert_int_equal(fc_module_name(get(), &name), 0);
    assert_answers(&name, NULL, 4);
    dlclose(module);
}

static void deleted_is_no_part_of_the_path(void **state)
{
    static const char ending[] = " (deleted)";
    struct place place;
    struct fc_module_function name;
    char path[PATH_SIZE + sizeof ending];
    void *module;
    char before[PATH_MAX];
    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    make_place(&place);
    assert_int_equal(chdir(place.directory), 0);
    /* First with a name that only looks deleted, then really deleted. */
    for (int is_deleted = 0; is_deleted < 2; is_deleted++) {
        snprintf(path, sizeof path, "%s%s", place.plugin, is_deleted ? "" : ending);
        assert_true(copy_file(with_build_id.one, path));
        forkcall_fn *const fn = load(is_deleted ? "./plugin.so" : "./plugin.so (deleted)", &module);
        if (is_deleted)
            assert_int_equal(unlink(path), 0);
        assert_int_equal(fc_module_name(fn, &name), 0);
        assert_string_equal(name.path, path);
        dlclose(module);
        unlink(path);
    }
    assert_int_equal(chdir(before), 0);
    remove_place(&place);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_finds_the_programs_function),
        cmocka_unit_test(copy_finds_a_librarys_function),
        cmocka_unit_test(copy_loads_a_plugin),
        cmocka_unit_test(rebuilt_plugin_is_refused),
        cmocka_unit_test(rebuilt_plugin_without_build_id_is_refused),
        cmocka_unit_test(rebuilt_plugin_with_relocated_code_is_refused),
        cmocka_unit_test(plugin_replaced_before_it_is_named_is_refused),
        cmocka_unit_test(deleted_plugin_is_told),
        cmocka_unit_test(same_file_from_another_path_is_taken),
        cmocka_unit_test(copy_of_a_plugin_is_another_module),
        cmocka_unit_test(moved_plugin_is_named_by_its_new_path),
        cmocka_unit_test(reason_is_not_cut_off_by_a_long_path),
        cmocka_unit_test(plugin_is_found_after_a_change_of_directory),
        cmocka_unit_test(path_of_the_loader_is_kept),
        cmocka_unit_test(plugin_that_misses_something_is_loaded),
        cmocka_unit_test(deleted_is_no_part_of_the_path),
    };
    if (!module_builds_begin(argc, argv))
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
