/* Functions of the program, of libraries and of plugins are found by name in a copy of this
 * program; what is not the same there is refused. */
#include "config.h"

#include "base/hash.h"
#include "exec_lookup.h"
#include "named_module.h"
#include "support.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef HAVE_GETAUXVAL
#include <sys/auxv.h>
#endif

#define PATH_SIZE 128

/* Two builds of one module. */
struct pair {
    const char *one, *two;
};
static struct pair with_build_id, without_build_id, relocated;
static const char *incomplete; /* refers to what does not exist */

static int static_function(const void *args, size_t args_size, struct forkcall_buf *result)
{
    (void)args;
    (void)args_size;
    (void)result;
    return 42;
}

/* ---- Helpers --------------------------------------------------------------------------------- */

/* A directory of the test's own, in which a plugin is built and rebuilt. */
struct place {
    char directory[64];
    char plugin[PATH_SIZE];
    char other[PATH_SIZE];
};

static void make_place(struct place *place)
{
    snprintf(place->directory, sizeof place->directory, "/tmp/forkcall-module-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    snprintf(place->plugin, sizeof place->plugin, "%s/plugin.so", place->directory);
    snprintf(place->other, sizeof place->other, "%s/other.so", place->directory);
}

static void remove_place(const struct place *place)
{
    unlink(place->plugin);
    unlink(place->other);
    assert_int_equal(rmdir(place->directory), 0);
}

/* As a build does it: a new file takes the place of the old one. */
static void replace(const struct place *place, const char *file)
{
    assert_true(copy_file(file, place->other));
    assert_int_equal(rename(place->other, place->plugin), 0);
}

/* The same file gets another content. */
static void overwrite(const struct place *place, const char *file)
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

static forkcall_fn *load(const char *path, void **module)
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

/* The function of this module, by name; the module is not loaded any more, where that is
 * possible. */
static struct fc_module_function name_plugin(const char *path)
{
    void *module;
    struct fc_module_function name;
    assert_int_equal(fc_module_name(load(path, &module), &name), 0);
    dlclose(module);
    return name;
}

static void assert_answers(const struct fc_module_function *name, const char *from, int value)
{
    struct answer answer;
    assert_true(lookup_ask(name, from, &answer));
    if (answer.result != 0)
        fail_msg("%s", answer.why);
    assert_int_equal(answer.value, value);
}

static void assert_refused(const struct fc_module_function *name, const char *from, int result, const char *why)
{
    struct answer answer;
    assert_true(lookup_ask(name, from, &answer));
    assert_int_equal(answer.result, result);
    assert_int_equal(answer.value, -1);
    if (strstr(answer.why, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", answer.why, why);
}

static void assert_found_here(forkcall_fn *fn, const struct fc_module_function *name)
{
    forkcall_fn *found = NULL;
    char why[256] = "";
    assert_int_equal(fc_module_find(name, &found, why, sizeof why), 0);
    assert_true(found == fn);
}

static bool same_layout(const struct fc_module_id *a, const struct fc_module_id *b)
{
    return memcmp(a->bytes, b->bytes, 8) == 0;
}

#define NOT_WITHOUT_EXEC                                             \
    do {                                                             \
        if (under_emulator() || under_valgrind())                    \
            SKIP("here /proc/self/exe is not this program to exec"); \
    } while (0)

/* ---- In one process -------------------------------------------------------------------------- */

static void function_has_a_name(void **state)
{
    struct fc_module_function name;
    (void)state;
    assert_int_equal(offsetof(struct fc_module_function, path),
                     8 + sizeof name.id + sizeof name.file + 4 + 1); /* no padding */
    assert_int_equal(fc_module_name(static_function, &name), 0);
    assert_true(name.is_program);
    assert_int_equal(name.path_size, 1);
    assert_found_here(static_function, &name);
    assert_int_equal(fc_module_name(static_function, &name), 0); /* from memory */
    assert_found_here(static_function, &name);
    fc_module_prepare();
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
    changed.id.bytes[0] ^= 1; /* then path counts */
    changed.path[0] = 'x';
    assert_int_equal(fc_module_find(&changed, &fn, why, sizeof why), -ENOENT);
    assert_non_null(strstr(why, "its file is not known"));
    char few[8];
    assert_int_equal(fc_module_find(&changed, &fn, few, sizeof few), -ENOENT);
    assert_string_equal(few, "the mod");
}

/* An unloaded module's place is taken by another one. */
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

/* And found. */
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

/* Without descriptors the kernel cannot be asked. */
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

/* The files beside a link are others than those beside the file. */
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
/* The code that the kernel gives each process has a name, and no file. */
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

/* As programs do that put their code into huge pages: no file is mapped there any more. */
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

/* A server knows the modules of its start, and so do its children: that the file is away, and that
 * the kernel can be asked no more (no descriptor is left), is no hindrance. */
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
    fc_module_prepare();
    assert_int_equal(unlink(place.plugin), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const bool is_found = fc_module_search(&name, &found);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(is_found);
    assert_true(found == fn);
    dlclose(module);
    fc_module_prepare(); /* without the module */
    remove_place(&place);
}

/* Of a module whose first page was moved only the other pages tell the file. */
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
    fc_module_prepare();
    assert_int_equal(unlink(place.plugin), 0);
    assert_found_here(fn, &name);
    dlclose(module);
    fc_module_prepare();
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

/* ---- In a copy ------------------------------------------------------------------------------- */

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

/* In place, as few builds do it, the file stays the same one, and only its content tells; the copy
 * has nothing of it loaded. */
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
    assert_int_equal(later.offset, name.offset); /* nothing but the identity tells them apart */
    assert_true(same_layout(&name.id, &later.id));
    assert_int_equal(one.st_size, two.st_size);
    assert_refused(&name, NULL, -ESTALE, why);
    assert_refused(&name, place.plugin, -ESTALE, why);
    assert_answers(&later, NULL, 2);
    remove_place(&place);
}

/* With musl dlclose() unloads nothing: the caller itself still has the file mapped that is written
 * over, and its new load is the old one. */
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

/* The caller still has the old build in memory; by its path only the new one is to be had. */
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
    assert_int_equal(mkfifo(place.plugin, 0600), 0); /* the loader would wait for a writer */
    assert_refused(&name, NULL, -ENOENT, "plugin.so: not a regular file");
    remove_place(&place);
}

/* By a hard link, and after the file was moved: the copy has the caller's file, whatever it is
 * called. */
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

/* The copy has other data, and by its name the plugin looks for what lies beside it. */
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
        /* From its own file, although the other is there. */
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
    /* Another takes its place: it is not asked for any more. */
    assert_true(copy_file(with_build_id.two, place.plugin));
    assert_int_equal(fc_module_name(fn, &name), 0);
    assert_answers(&name, place.plugin, 1);
    dlclose(module);
    remove_place(&place);
}

/* Of a long path the reason behind it is still told. */
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
    memset(path, '/', sizeof path - 1); /* the root: no regular file */
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

/* What the plugin needs in turn may be beside the link, and not beside the file. */
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

/* The caller has loaded it all the same, as what is missing is never called. */
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
    for (int is_deleted = 0; is_deleted < 2; is_deleted++) { /* or is only called so */
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
    lookup_preload = preload;
    lookup_serve(argc, argv);
    if (argc != 6 && argc != 8) {
        fprintf(stderr, "usage: %s INCOMPLETE WITH-BUILD-ID LATER WITHOUT LATER [RELOCATED LATER]\n", argv[0]);
        return 2;
    }
    static char paths[7][PATH_MAX];
    for (int i = 1; i < argc; i++) {
        if (realpath(argv[i], paths[i - 1]) == NULL) {
            perror(argv[i]);
            return 2;
        }
    }
    incomplete = paths[0];
    with_build_id = (struct pair){paths[1], paths[2]};
    without_build_id = (struct pair){paths[3], paths[4]};
    if (argc == 8)
        relocated = (struct pair){paths[5], paths[6]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
