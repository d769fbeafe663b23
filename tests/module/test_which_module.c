/* Tests that by every method a function runs in the caller's own module, and not in another one
 * with the same build-id, name or path. */
#include "exec_lookup.h"
#include "self_naming_library.h"
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The paths of the library that this program is linked with, of another one with its build-id, and
 * of two plugins. */
static char linked[PATH_MAX], other_code[PATH_MAX], answer_1[PATH_MAX], with_own_library[PATH_MAX];

static char directory[] = "/tmp/forkcall-which-XXXXXX";
static char file[64], second[64];

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(file, sizeof file, "%s/libwhich.so", directory);
    snprintf(second, sizeof second, "%s/second.so", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int remove_files(void **state)
{
    (void)state;
    unlink(file);
    unlink(second);
    forkcall_server_stop();
    return 0;
}

static forkcall_fn *load(const char *path, void **module)
{
    forkcall_fn *fn = NULL;
    *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*module == NULL)
        fail_msg("%s", dlerror()); // NOLINT(concurrency-mt-unsafe): it is each thread's own
    *(void **)&fn = dlsym(*module, "tell_which");
    assert_non_null(fn);
    return fn;
}

static struct forkcall_report ask(forkcall_fn *fn, struct which *which)
{
    struct forkcall_buf result = forkcall_buf_fixed(which, sizeof *which);
    return run_tested(fn, NULL, 0, &result, NULL);
}

static void assert_runs_in(forkcall_fn *fn, int version, const char *path)
{
    /* Several calls, because the first ones use children that were made before. */
    for (int times = 0; times < 3; times++) {
        struct which which = {.version = -1};
        const struct forkcall_report report = ask(fn, &which);
        assert_status(report, FORKCALL_OK);
        assert_int_equal(which.version, version);
        assert_string_equal(which.path, path);
    }
}

static void assert_refused(forkcall_fn *fn, const char *why)
{
    struct which which;
    const struct forkcall_report report = ask(fn, &which);
    assert_status(report, FORKCALL_NOT_STARTED);
    assert_int_equal(report.ran, FORKCALL_RAN_NO);
    if (strstr(report.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", report.message, why);
}

static bool have_same_identity(forkcall_fn *one, forkcall_fn *other)
{
    struct fc_module_function names[2];
    assert_true(one != other);
    assert_int_equal(fc_module_name(one, &names[0]), 0);
    assert_int_equal(fc_module_name(other, &names[1]), 0);
    return names[0].offset == names[1].offset && memcmp(&names[0].id, &names[1].id, sizeof names[0].id) == 0;
}

static void function_of_a_linked_library_runs_in_it(void **state)
{
    (void)state;
    assert_runs_in(tell_which, 1, linked);
}

static void copy_of_a_linked_library_is_not_the_linked_one(void **state)
{
    void *module;
    (void)state;
    assert_true(copy_file(linked, file));
    forkcall_fn *const fn = load(file, &module);
    assert_true(have_same_identity(tell_which, fn));
    assert_runs_in(fn, 1, file);
    assert_runs_in(tell_which, 1, linked);
    dlclose(module);
}

static void other_code_with_the_same_build_id_is_told_apart(void **state)
{
    void *module;
    (void)state;
    forkcall_fn *const fn = load(other_code, &module);
    if (!have_same_identity(tell_which, fn))
        SKIP("this linker does not make two libraries of one build-id and layout of different code");
    assert_runs_in(fn, 2, other_code);
    assert_runs_in(tell_which, 1, linked);
    dlclose(module);
}

static void one_file_by_several_names_is_one_module(void **state)
{
    (void)state;
    for (int is_hard = 0; is_hard < 2; is_hard++) {
        void *module;
        /* Not "file": the loader takes this name for the linked library from then on. */
        char name[128];
        snprintf(name, sizeof name, "%s/link%d.so", directory, is_hard);
        if (is_hard ? link(linked, name) != 0 : symlink(linked, name) != 0)
            SKIP("a link cannot be made from this directory");
        forkcall_fn *const fn = load(name, &module);
        assert_true(fn == tell_which); /* The loader recognises the linked library. */
        assert_runs_in(fn, 1, linked);
        dlclose(module);
        unlink(name);
    }
}

static void copy_behind_a_link_is_called_as_the_caller_calls_it(void **state)
{
    void *module;
    (void)state;
    assert_true(copy_file(linked, second));
    assert_int_equal(symlink(second, file), 0);
    forkcall_fn *const fn = load(file, &module);
    assert_runs_in(fn, 1, file);
    dlclose(module);
}

/* Each of several copies of one file is a module of its own. */
static void each_of_several_copies_is_itself(void **state)
{
    void *modules[2];
    (void)state;
    assert_true(copy_file(linked, file));
    assert_true(copy_file(linked, second));
    forkcall_fn *const one = load(file, &modules[0]);
    forkcall_fn *const two = load(second, &modules[1]);
    assert_runs_in(two, 1, second);
    assert_runs_in(one, 1, file);
    assert_runs_in(two, 1, second);
    dlclose(modules[0]);
    dlclose(modules[1]);
}

static void replaced_file_of_the_same_build_id_is_refused(void **state)
{
    (void)state;
    /* First a file that no call has named, then one that a call has named. */
    for (int is_named = 0; is_named < 2; is_named++) {
        void *module;
        assert_true(copy_file(linked, file));
        forkcall_fn *const fn = load(file, &module);
        if (is_named)
            assert_runs_in(fn, 1, file);
        assert_true(copy_file(other_code, second));
        assert_int_equal(rename(second, file), 0);
        if (method_shares_memory())
            assert_runs_in(fn, 1, file);
        else
            assert_refused(fn, "was replaced after the caller had loaded it");
        assert_int_equal(unlink(file), 0);
        if (method_shares_memory())
            assert_runs_in(fn, 1, file);
        else
            assert_refused(fn, "No such file");
        dlclose(module);
    }
}

static void moved_file_is_found(void **state)
{
    void *module;
    (void)state;
    assert_true(copy_file(linked, file));
    forkcall_fn *const fn = load(file, &module);
    assert_runs_in(fn, 1, file);
    assert_int_equal(rename(file, second), 0);
    assert_runs_in(fn, 1, method_shares_memory() ? file : second);
    assert_true(copy_file(other_code, file)); /* The file that takes its place does not matter. */
    assert_runs_in(fn, 1, method_shares_memory() ? file : second);
    dlclose(module);
}

/* ---- A program that moves -------------------------------------------------------------------- */

static int answers(forkcall_fn *fn, int code)
{
    const struct forkcall_report report = run_tested(fn, NULL, 0, NULL, NULL);
    if (report.status != FORKCALL_FAILED || report.code != code)
        fprintf(stderr, "%s %d: %s\n", forkcall_status_name(report.status), report.code, report.message);
    return report.status == FORKCALL_FAILED && report.code == code;
}

static int works(void)
{
    struct which which = {.version = -1};
    const struct forkcall_report report = ask(tell_which, &which);
    forkcall_server_stop(); /* The next server is started from the file that is then on disk. */
    return answers(child_fails_7, 7) && report.status == FORKCALL_OK && which.version == 1;
}

static int run_moving(const char *path)
{
    char moved[128];
    CHECK(snprintf(moved, sizeof moved, "%s-moved", path) < (int)sizeof moved);
    CHECK(works());
    CHECK(rename(path, moved) == 0);
    CHECK(works());
    CHECK(copy_file(other_code, path)); /* The new file is not even a program. */
    CHECK(works());
    unlink(path);
    unlink(moved);
    return 0;
}

static int exec_moving(void *path)
{
    execl(path, path, "--move", other_code, (char *)NULL);
    return 1;
}

static void program_that_moved_finds_its_functions(void **state)
{
    (void)state;
    if (under_emulator() || under_valgrind())
        SKIP("here /proc/self/exe is not this program");
    snprintf(second, sizeof second, "%s/program", directory);
    assert_true(copy_file("/proc/self/exe", second));
    assert_int_equal(host_run(exec_moving, second), 0);
    snprintf(second, sizeof second, "%s/second.so", directory);
}

/* ---- A linked library that is replaced ------------------------------------------------------- */

static int is_refused(forkcall_fn *fn, const char *why)
{
    struct which which;
    const struct forkcall_report report = ask(fn, &which);
    forkcall_server_stop();
    if (strstr(report.message, why) == NULL)
        fprintf(stderr, "%s: %s\n", forkcall_status_name(report.status), report.message);
    return report.status == FORKCALL_NOT_STARTED && report.ran == FORKCALL_RAN_NO &&
           strstr(report.message, why) != NULL;
}

/* path: the library that this program is linked with. */
static int run_upgraded(const char *path)
{
    char fresh[PATH_MAX];
    CHECK(snprintf(fresh, sizeof fresh, "%s-fresh", path) < (int)sizeof fresh);
    CHECK(works());
    CHECK(copy_file(other_code, fresh));
    CHECK(rename(fresh, path) == 0);
    CHECK(answers(child_fails_7, 7));
    forkcall_server_stop();
    if (method_shares_memory())
        CHECK(works());
    else
        CHECK(is_refused(tell_which, "was replaced after the caller had loaded it"));
    CHECK(unlink(path) == 0);
    if (method_shares_memory())
        CHECK(works());
    else
        CHECK(is_refused(child_fails_7, "the dynamic loader"));
    return 0;
}

static int exec_upgraded(void *path)
{
    setenv("LD_LIBRARY_PATH", directory, 1); // NOLINT(concurrency-mt-unsafe): a process of one thread
    execl(path, path, "--upgrade", other_code, file, (char *)NULL);
    return 1;
}

static void linked_library_that_was_replaced_is_not_called(void **state)
{
    (void)state;
    if (under_emulator() || under_valgrind())
        SKIP("here /proc/self/exe is not this program");
    snprintf(file, sizeof file, "%s/%s", directory, strrchr(linked, '/') + 1);
    snprintf(second, sizeof second, "%s/program", directory);
    assert_true(copy_file("/proc/self/exe", second));
    assert_true(copy_file(linked, file));
    assert_int_equal(host_run(exec_upgraded, second), 0);
    remove_files(state);
    snprintf(file, sizeof file, "%s/libwhich.so", directory);
    snprintf(second, sizeof second, "%s/second.so", directory);
}

/* ---- Namespaces ------------------------------------------------------------------------------ */

#ifdef HAVE_DLMOPEN

static void assert_not_from_a_namespace(const struct forkcall_report *report)
{
    assert_status(*report, FORKCALL_NOT_STARTED);
    assert_int_equal(report->ran, FORKCALL_RAN_NO);
    assert_int_equal(report->code, EXDEV);
    assert_non_null(strstr(report->message, "dlmopen"));
    assert_non_null(strstr(report->message, "FORKCALL_FORK"));
}

static void function_in_another_namespace_is_refused(void **state)
{
    forkcall_fn *(*get)(void) = NULL;
    (void)state;
    if (under_sanitizer())
        SKIP("a sanitizer cannot be loaded twice");
    void *const module = dlmopen(LM_ID_NEWLM, answer_1, RTLD_NOW);
    if (module == NULL) {
        fail_msg("%s", dlerror()); // NOLINT(concurrency-mt-unsafe): it is each thread's own
        return;
    }
    *(void **)&get = dlsym(module, "answer_function");
    assert_non_null(get);
    const struct forkcall_report report = run_tested(get(), NULL, 0, NULL, NULL);
    if (method_shares_memory()) {
        assert_status(report, FORKCALL_FAILED);
        assert_int_equal(report.code, 1);
    } else {
        assert_not_from_a_namespace(&report);
    }
    dlclose(module);
}

/* A library in another namespace sees only the modules of its own namespace. */
static void library_in_another_namespace_does_not_take_its_first_module_for_the_program(void **state)
{
    namespace_call *run = NULL;
    char text[2000];
    (void)state;
    if (under_sanitizer())
        SKIP("a sanitizer cannot be loaded twice");
    if (under_emulator())
        SKIP("the emulator's own threads are taken for the program's by a second C library");
    void *const module = dlmopen(LM_ID_NEWLM, with_own_library, RTLD_NOW);
    if (module == NULL) {
        fail_msg("%s", dlerror()); // NOLINT(concurrency-mt-unsafe): it is each thread's own
        return;
    }
    *(void **)&run = dlsym(module, "call_in_namespace");
    assert_non_null(run);
    struct forkcall_report report = run(tested_method(), false, text, sizeof text);
    if (!method_shares_memory()) {
        assert_not_from_a_namespace(&report);
        dlclose(module);
        return;
    }
    assert_status(report, FORKCALL_FAILED);
    assert_int_equal(report.code, 5);
    report = run(tested_method(), true, text, sizeof text);
    assert_status(report, FORKCALL_SIGNALED);
    /* The frames name the library, or with libdw its source file. Frame pointers alone may lead to
     * none of its frames; then the name of the called function was found in the library. */
    const char *const library = strrchr(with_own_library, '/') + 1;
    if (strstr(text, library) == NULL && strstr(text, "at namespace_plugin.c:") == NULL &&
        strstr(text, "… called by child_aborts") == NULL)
        fail_msg("neither %s nor its source: %s", library, text);
    /* With libdw the frame may rightly name the source file of this test. */
    assert_null(strstr(text, "test_which_module+0x"));
    dlclose(module);
}

#endif

int main(int argc, char **argv)
{
    forkcall_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(function_of_a_linked_library_runs_in_it),
        cmocka_unit_test_teardown(copy_of_a_linked_library_is_not_the_linked_one, remove_files),
        cmocka_unit_test_teardown(other_code_with_the_same_build_id_is_told_apart, remove_files),
        cmocka_unit_test_teardown(one_file_by_several_names_is_one_module, remove_files),
        cmocka_unit_test_teardown(copy_behind_a_link_is_called_as_the_caller_calls_it, remove_files),
        cmocka_unit_test_teardown(each_of_several_copies_is_itself, remove_files),
        cmocka_unit_test_teardown(replaced_file_of_the_same_build_id_is_refused, remove_files),
        cmocka_unit_test_teardown(moved_file_is_found, remove_files),
        cmocka_unit_test_teardown(program_that_moved_finds_its_functions, remove_files),
        cmocka_unit_test_teardown(linked_library_that_was_replaced_is_not_called, remove_files),
#ifdef HAVE_DLMOPEN
        cmocka_unit_test_teardown(function_in_another_namespace_is_refused, remove_files),
        cmocka_unit_test_teardown(library_in_another_namespace_does_not_take_its_first_module_for_the_program,
                                  remove_files),
#endif
    };
    if (argc == 3 && strcmp(argv[1], "--move") == 0) {
        snprintf(other_code, sizeof other_code, "%s", argv[2]);
        return run_moving(argv[0]);
    }
    if (argc == 4 && strcmp(argv[1], "--upgrade") == 0) {
        snprintf(other_code, sizeof other_code, "%s", argv[2]);
        return run_upgraded(argv[3]);
    }
    if (argc != 5 || realpath(argv[1], linked) == NULL || realpath(argv[2], other_code) == NULL ||
        realpath(argv[3], answer_1) == NULL || realpath(argv[4], with_own_library) == NULL) {
        fprintf(stderr, "usage: %s LINKED OTHER-CODE ANSWER-1 WITH-OWN-LIBRARY\n", argv[0]);
        return 2;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
