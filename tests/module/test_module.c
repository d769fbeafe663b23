/* Tests the names of functions of the program, of libraries and of plugins: a function is found by
 * its name in the same process. */
#include "config.h"

#include "base/hash.h"
#include "module_builds.h"
#include "named_module.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef HAVE_GETAUXVAL
#include <sys/auxv.h>
#endif

static int static_function(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 42;
}

/* ---- In one process -------------------------------------------------------------------------- */

static void function_has_a_name(void **state)
{
    struct fc_module_function name;
    (void)state;
    assert_int_equal(offsetof(struct fc_module_function, path),
                     8 + sizeof name.id + sizeof name.file + 4 + 1 + 1); /* no padding */
    assert_int_equal(fc_module_name(static_function, &name), 0);
    assert_true(name.is_program);
    assert_int_equal(name.path_size, 1);
    assert_found_here(static_function, &name);
    assert_int_equal(fc_module_name(static_function, &name), 0); /* this time from the cache */
    assert_found_here(static_function, &name);
    fc_module_warm_up();
    assert_found_here(static_function, &name);
}

static void library_function_has_a_name(void **state)
{
    struct fc_module_function name;
    forkcall_fn *fn = needed_answer_function();
    (void)state;
    assert_int_equal(fc_module_name(fn, &name), 0);
    assert_false(name.is_program);
    assert_int_equal(name.path[0], '/');
    assert_int_equal(name.path_size, strlen(name.path) + 1);
    assert_found_here(fn, &name);
}

static void what_is_no_function_has_no_name(void **state)
{
    static int data;
    char on_stack = 0;
    struct fc_module_function name;
    void *heap = malloc(64);
    void *generated = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_non_null(heap);
    assert_true(generated != MAP_FAILED);
    const uintptr_t addresses[] = {
        0, 1, UINTPTR_MAX, (uintptr_t)&data, (uintptr_t)&on_stack, (uintptr_t)heap, (uintptr_t)generated};
    assert_int_equal(fc_module_name(static_function, &name), 0);
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        assert_int_equal(fc_module_name((forkcall_fn *)addresses[i], &name), -ENOENT);
    free(heap);
    munmap(generated, 4096);
}

static void changed_name_is_refused(void **state)
{
    static int data;
    struct fc_module_function name, changed;
    forkcall_fn *fn = NULL;
    char why[256];
    (void)state;
    assert_int_equal(fc_module_name(static_function, &name), 0);
    for (uint32_t i = 0; i < sizeof name.id.bytes; i++) {
        changed = name;
        changed.id.bytes[i] ^= 0x10;
        assert_int_equal(fc_module_find(&changed, &fn, why, sizeof why), -ESTALE);
    }
    const uintptr_t base = (uintptr_t)static_function - (uintptr_t)name.offset;
    const uint64_t offsets[] = {(uintptr_t)&data - base, UINT32_MAX, UINT64_MAX, name.offset + (UINT64_C(1) << 30)};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        changed = name;
        changed.offset = offsets[i];
        assert_int_equal(fc_module_find(&changed, &fn, why, sizeof why), -ESTALE);
    }
    changed = name;
    changed.id.kind++;
    assert_int_equal(fc_module_find(&changed, &fn, why, sizeof why), -ESTALE);
    changed = name;
    changed.id.size--;
    assert_int_equal(fc_module_find(&changed, &fn, why, sizeof why), -ESTALE);
}

static void malformed_name_is_refused(void **state)
{
    struct fc_module_function name, changed;
    forkcall_fn *fn = NULL;
    char why[256];
    (void)state;
    assert_int_equal(fc_module_name(needed_answer_function(), &name), 0);
    const uint32_t sizes[] = {0, name.path_size - 1, name.path_size + 1, sizeof name.path + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        changed = name;
        changed.path[name.path_size] = 'x';
        changed.path_size = sizes[i];
        why[0] = 0;
        assert_int_equal(fc_module_find(&changed, &fn, why, sizeof why), -EINVAL);
        assert_true(why[0] != 0);
    }
    changed = name;
    changed.id.size = sizeof changed.id.bytes + 1;
    assert_int_equal(fc_module_find(&changed, &fn, why, sizeof why), -EINVAL);
    changed = name;
    changed.id.bytes[0] ^= 1; /* The id differs, so the path counts. */
    changed.path[0] = 'x';
    assert_int_equal(fc_module_find(&changed, &fn, why, sizeof why), -ENOENT);
    assert_non_null(strstr(why, "its file is not known"));
    char few[8];
    assert_int_equal(fc_module_find(&changed, &fn, few, sizeof few), -ENOENT);
    assert_string_equal(few, "the mod");
}

/* A new module takes the addresses of an unloaded one. What is remembered of the unloaded one must
 * not be used. */
static void memory_of_an_unloaded_module_is_not_believed(void **state)
{
    struct place place;
    struct fc_module_function first, second;
    void *module;
    (void)state;
    make_place(&place);
    replace(&place, with_build_id.one);
    forkcall_fn *const old = load(place.plugin, &module);
    assert_int_equal(fc_module_name(old, &first), 0);
    assert_int_equal(fc_module_name(old, &first), 0);
    dlclose(module);
    replace(&place, with_build_id.two);
    forkcall_fn *const new = load(place.plugin, &module);
    if (new != old)
        print_message("the second build was loaded elsewhere: the memory is not tried here\n");
    assert_int_equal(fc_module_name(new, &second), 0);
    assert_true(same_layout(&first.id, &second.id));
    assert_memory_not_equal(&first.id, &second.id, sizeof first.id);
    assert_found_here(new, &second);
    dlclose(module);
    remove_place(&place);
}

enum { MANY = 20 };

struct lock {
    atomic_bool held, named;
    bool in_time;
};

static bool is_true(void *flag)
{
    return atomic_load((atomic_bool *)flag);
}

static int hold(struct dl_phdr_info *info, size_t size, void *context)
{
    struct lock *lock = context;
    (void)info;
    (void)size;
    atomic_store(&lock->held, true);
    lock->in_time = wait_until(is_true, &lock->named);
    return 1;
}

static void *hold_the_lock(void *lock)
{
    dl_iterate_phdr(hold, lock);
    return NULL;
}

/* Checks that the function is named and found while another thread holds the loader's lock. */
static void assert_named_while_the_loader_is_locked(forkcall_fn *fn)
{
    struct lock lock = {.in_time = false};
    struct fc_module_function name;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hold_the_lock, &lock), 0);
    assert_true(wait_until(is_true, &lock.held));
    const int r = fc_module_name(fn, &name);
    if (r == 0)
        assert_found_here(fn, &name);
    atomic_store(&lock.named, true);
    pthread_join(thread, NULL);
    assert_int_equal(r, 0);
    assert_true(lock.in_time);
}

static void many_modules_are_not_taken_for_each_other(void **state)
{
    struct place place;
    struct fc_module_function name;
    char paths[MANY][PATH_SIZE];
    forkcall_fn *functions[MANY];
    void *modules[MANY];
    (void)state;
    make_place(&place);
    for (int i = 0; i < MANY; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d.so", place.directory, i);
        assert_true(copy_file(with_build_id.one, paths[i]));
        functions[i] = load(paths[i], &modules[i]);
    }
    for (int times = 0; times < 3; times++) {
        for (int i = 0; i < MANY; i++) {
            for (int again = 0; again < 2; again++) {
                assert_int_equal(fc_module_name(functions[i], &name), 0);
                assert_string_equal(name.path, paths[i]);
                assert_found_here(functions[i], &name);
            }
        }
        assert_int_equal(fc_module_name(static_function, &name), 0);
        assert_found_here(static_function, &name);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(fc_module_name(functions[i], &name), 0);
        assert_named_while_the_loader_is_locked(static_function);
    }
    for (int i = 0; i < MANY; i++) {
        dlclose(modules[i]);
        unlink(paths[i]);
    }
    remove_place(&place);
}

/* Names a function while no descriptor is available, so that the kernel cannot be asked for the
 * path. */
static void name_without_the_kernels_help(forkcall_fn *fn, struct fc_module_function *name)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int r = fc_module_name(fn, name);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(r, 0);
}

static void relative_path_is_completed_without_the_kernels_help(void **state)
{
    struct place place;
    struct fc_module_function name;
    char before[PATH_MAX];
    void *module;
    (void)state;
    make_place(&place);
    replace(&place, with_build_id.one);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(place.directory), 0);
    forkcall_fn *const fn = load("./plugin.so", &module);
    name_without_the_kernels_help(fn, &name);
    assert_string_equal(name.path, place.plugin);
    dlclose(module);
    assert_int_equal(chdir(before), 0);
    remove_place(&place);
}

/* The directory of a link may contain other files than the directory of the module. So the path of
 * the link must stay. */
static void path_through_a_link_is_kept_without_the_kernels_help(void **state)
{
    struct place place;
    struct fc_module_function name;
    void *module;
    (void)state;
    make_place(&place);
    replace(&place, with_build_id.one);
    assert_int_equal(symlink(place.plugin, place.other), 0);
    forkcall_fn *const fn = load(place.other, &module);
    name_without_the_kernels_help(fn, &name);
    assert_string_equal(name.path, place.other);
    dlclose(module);
    remove_place(&place);
}

#ifdef HAVE_GETAUXVAL
/* The code that the kernel maps into each process has a name, but no file. */
static void name_without_a_path_is_not_taken_for_a_file_of_the_directory(void **state)
{
    struct place place;
    struct fc_module_function name, again;
    char before[PATH_MAX];
    forkcall_fn *const fn = (forkcall_fn *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    (void)state;
    if (fn == NULL || fc_module_name(fn, &name) != 0 || name.path[0] == 0 || strchr(name.path, '/') != NULL)
        SKIP("no module has a name without a path here");
    make_place(&place);
    snprintf(place.other, sizeof place.other, "%s/%.60s", place.directory, name.path);
    assert_true(copy_file(with_build_id.one, place.other));
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(place.directory), 0);
    const int r = fc_module_name(fn, &again);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(r, 0);
    assert_string_equal(again.path, name.path);
    remove_place(&place);
}
#endif

/* Moves a page to anonymous memory, as programs do that put their code into huge pages. No file is
 * mapped there afterwards. */
static void move_to_anonymous_memory(uintptr_t address)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *const page = (void *)(address & ~(uintptr_t)(size - 1));
    void *const anonymous = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(anonymous != MAP_FAILED);
    memcpy(anonymous, page, size);
    assert_int_equal(mprotect(anonymous, size, PROT_READ | PROT_EXEC), 0);
    assert_true(mremap(anonymous, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, page) == page);
}

static void code_in_anonymous_memory_has_a_name(void **state)
{
    struct place place;
    struct fc_module_function name;
    void *module;
    (void)state;
    make_place(&place);
    replace(&place, with_build_id.one);
    forkcall_fn *const fn = load(place.plugin, &module);
    move_to_anonymous_memory((uintptr_t)fn);
    assert_int_equal(fc_module_name(fn, &name), 0);
    assert_string_equal(name.path, place.plugin);
    assert_found_here(fn, &name);
    dlclose(module);
    remove_place(&place);
}

/* A server and its children know the modules that were loaded when the server started. They need
 * neither the file nor a descriptor to find a function in one. */
static void prepared_module_is_found_without_file_and_descriptors(void **state)
{
    struct place place;
    struct fc_module_function name;
    struct rlimit limit;
    forkcall_fn *found = NULL;
    void *module;
    (void)state;
    make_place(&place);
    replace(&place, with_build_id.one);
    forkcall_fn *const fn = load(place.plugin, &module);
    assert_int_equal(fc_module_name(fn, &name), 0);
    fc_module_warm_up();
    assert_int_equal(unlink(place.plugin), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const bool is_found = fc_module_search(&name, &found);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(is_found);
    assert_true(found == fn);
    dlclose(module);
    fc_module_warm_up(); /* forgets the module */
    remove_place(&place);
}

/* Without its first page, a module's file is known only from its other pages. */
static void prepared_module_with_a_moved_first_page_is_found(void **state)
{
    struct place place;
    struct fc_module_function name;
    Dl_info info;
    void *module;
    (void)state;
    make_place(&place);
    replace(&place, with_build_id.one);
    forkcall_fn *const fn = load(place.plugin, &module);
    assert_int_equal(fc_module_name(fn, &name), 0);
    assert_int_not_equal(dladdr((void *)(uintptr_t)fn, &info), 0);
    move_to_anonymous_memory((uintptr_t)info.dli_fbase);
    fc_module_warm_up();
    assert_int_equal(unlink(place.plugin), 0);
    assert_found_here(fn, &name);
    dlclose(module);
    fc_module_warm_up();
    remove_place(&place);
}

static void hash_takes_every_byte(void **state)
{
    unsigned char bytes[40];
    uint64_t seen[sizeof bytes + 1] = {0};
    (void)state;
    memset(bytes, 0, sizeof bytes);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        seen[size] = fc_hash(FC_HASH_START, bytes, size);
        for (size_t i = 0; i < size; i++) {
            assert_int_not_equal(seen[size], seen[i]);
            bytes[i] = 0x80;
            assert_int_not_equal(seen[size], fc_hash(FC_HASH_START, bytes, size));
            bytes[i] = 0;
        }
    }
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *list = opendir("/proc/self/fd");
    assert_non_null(list);
    while (readdir(list) != NULL) // NOLINT(concurrency-mt-unsafe): a list of its own
        n++;
    closedir(list);
    return n;
}

static void nothing_is_left_open(void **state)
{
    const int before = count_descriptors();
    (void)state;
    for (int i = 0; i < 5; i++) {
        const struct fc_module_function name = name_plugin(with_build_id.one);
        assert_string_equal(name.path, with_build_id.one);
    }
    assert_int_equal(count_descriptors(), before);
}

/* ---- From several threads -------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 2000 };

struct naming {
    forkcall_fn *functions[2];
    struct fc_module_function names[2];
    atomic_bool wrong;
};

static void *name_again_and_again(void *context)
{
    struct naming *naming = context;
    struct fc_module_function name;
    for (int i = 0; i < ROUNDS; i++) {
        const struct fc_module_function *expected = &naming->names[i % 2];
        if (fc_module_name(naming->functions[i % 2], &name) != 0 ||
            memcmp(&name, expected, offsetof(struct fc_module_function, path) + expected->path_size) != 0)
            naming->wrong = true;
    }
    return NULL;
}

static void threads_name_while_modules_come_and_go(void **state)
{
    struct naming naming = {.functions = {static_function, needed_answer_function()}};
    pthread_t threads[THREADS];
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(fc_module_name(naming.functions[i], &naming.names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, name_again_and_again, &naming), 0);
    for (int i = 0; i < 20; i++)
        (void)name_plugin(with_build_id.one);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_false(naming.wrong);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(function_has_a_name),
        cmocka_unit_test(library_function_has_a_name),
        cmocka_unit_test(what_is_no_function_has_no_name),
        cmocka_unit_test(changed_name_is_refused),
        cmocka_unit_test(malformed_name_is_refused),
        cmocka_unit_test(memory_of_an_unloaded_module_is_not_believed),
        cmocka_unit_test(many_modules_are_not_taken_for_each_other),
        cmocka_unit_test(relative_path_is_completed_without_the_kernels_help),
        cmocka_unit_test(path_through_a_link_is_kept_without_the_kernels_help),
#ifdef HAVE_GETAUXVAL
        cmocka_unit_test(name_without_a_path_is_not_taken_for_a_file_of_the_directory),
#endif
        cmocka_unit_test(code_in_anonymous_memory_has_a_name),
        cmocka_unit_test(prepared_module_is_found_without_file_and_descriptors),
        cmocka_unit_test(prepared_module_with_a_moved_first_page_is_found),
        cmocka_unit_test(hash_takes_every_byte),
        cmocka_unit_test(nothing_is_left_open),
        cmocka_unit_test(threads_name_while_modules_come_and_go),
    };
    if (!module_builds_begin(argc, argv))
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
